/* helper/http/store.h - an object of a cache as a request: its URL and its headers. */
#pragma once

#include "core/base/error.h"
#include "core/transfer/store_http.h"
#include "helper/cache.h"
#include "helper/http/gocloud.h"
#include "sdk/lib/signed_url.h"

/* What is asked for, with the memory it lies in. */
struct store_place {
    struct store_object object;
    char *url;
    struct option_list headers; /* borrowed texts, and those that follow */
    char **made;
    size_t n_made;
};
/* `method` is GET, HEAD or PUT. A sentence when the object can't be asked for that way. */
int store_locate(const struct cache_object *object, const char *method, int64_t timeout_ms,
                 struct store_place *ret, struct error *err);
void store_place_done(struct store_place *place);
#define auto_place __attribute__((cleanup(store_place_done)))

/* azure.c: by the account and the SAS token of the environment. The caller frees *ret_url. */
int azure_url(const struct gocloud *url, const struct env_file *environment, char **ret_url,
              struct error *err);
/* s3.c: by the credentials of the environment. The caller calls flt_signed_url_done(). */
int s3_sign(const struct gocloud *url, const struct cache_object *object, const char *method,
            struct flt_signed_url *ret, struct error *err);
/* The URL as a log may show it: without its query and what is a credential in it. The caller frees; NULL
 * when memory is short. */
char *store_clean_url(const char *url);
