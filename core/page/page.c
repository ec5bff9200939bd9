/* core/page/page.c - beginning, text, tables and file of a page (page.h). */
#include "core/page/page.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

void page_add_text(struct buf *out, const char *text)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), SIZE_MAX);
    for (const char *at = buf_str(&shown); *at; at++)
        switch (*at) {
        case '&':
            buf_add_str(out, "&amp;");
            break;
        case '<':
            buf_add_str(out, "&lt;");
            break;
        case '>':
            buf_add_str(out, "&gt;");
            break;
        case '"':
            buf_add_str(out, "&quot;");
            break;
        case '\'':
            buf_add_str(out, "&#39;");
            break;
        default:
            buf_add_char(out, *at);
        }
}

void page_add_name(struct buf *out, const char *text)
{
    buf_add_str(out, "<bdi>");
    page_add_text(out, text);
    buf_add_str(out, "</bdi>");
}

/* The policy names the style by its hash, so that nothing else is one. */
int page_begin(struct buf *out, const char *title, const char *style, struct error *err)
{
    autobuf struct buf whole = BUF_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    buf_add_str(&whole, page_style);
    buf_add_str(&whole, style);
    if (EVP_Digest(buf_str(&whole), whole.len, digest, &len, EVP_sha256(), NULL) != 1)
        return error_set(err, -EIO, "report: SHA-256 is not to be had");
    buf_add_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "base-uri 'none'; form-action 'none'; style-src 'sha256-");
    (void) base64_encode(out, digest, len);
    buf_add_str(out,
                "'\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<title>");
    page_add_text(out, title);
    buf_addf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", buf_str(&whole));
    buf_inherit_error(out, &whole);
    return 0;
}

void page_end(struct buf *out)
{
    buf_add_str(out, "</body>\n</html>\n");
}

void page_begin_table(struct buf *out, const char *caption, const char *columns)
{
    buf_addf(out,
             "<h2>%s</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"%s\" "
             "tabindex=\"0\"><table><thead><tr>%s</tr></thead><tbody>\n",
             caption, caption, columns);
}

void page_end_table(struct buf *out)
{
    buf_add_str(out, "</tbody></table></div>\n");
}

/* The file. */

static int open_folder(const char *file, int *ret, const char **ret_name, struct error *err)
{
    const char *slash = strrchr(file, '/');
    autofree char *folder =
        !slash ? mem_strdup(".") : mem_strndup(file, (size_t) MAX(slash - file, 1));

    if (!folder)
        return error_set(err, -ENOMEM, "report: out of memory");
    *ret_name = slash ? slash + 1 : file;
    if (!**ret_name)
        return error_set(err, -EISDIR, "--report %s names a directory; name a file in it", file);
    *ret = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret < 0)
        return error_errno(err, -errno, "--report %s can't be written: %s", file, folder);
    return 0;
}

int page_check_file(const char *file, struct error *err)
{
    autoclose int folder = -1;
    const char *name = file;
    struct stat st;
    int r = open_folder(file, &folder, &name, err);

    if (r < 0)
        return r;
    if (fstatat(folder, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "--report %s: that is there and no regular file", file);
    if (faccessat(folder, ".", W_OK, AT_EACCESS) < 0)
        return error_errno(err, -errno, "--report %s can't be written", file);
    return 0;
}

int page_write_file(const char *file, const struct buf *html, struct error *err)
{
    autoclose int folder = -1;
    const char *name = file;
    int r = open_folder(file, &folder, &name, err);

    if (r == 0)
        r = fs_replace_file(folder, name, html->data, html->len, fs_user_mode(0644), err);
    return r < 0 ? error_wrap(err, r, "--report %s", file) : 0;
}
