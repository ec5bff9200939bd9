/* helper/archive/decoder.h - the data of a zip's entry: stored, deflated or zstd, piece by piece. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decoder;

struct decoder_input {
    int fd;
    uint64_t offset, len; /* of the compressed data */
};

struct decoder_output {
    int (*data)(void *ctx, const void *data, size_t len); /* a negative code ends it */
    void *ctx;
};

struct decoder_sums {
    uint64_t bytes;
    uint32_t crc;
};

struct decoder *decoder_new(void); /* NULL without memory */
void decoder_free(struct decoder *decoder);

bool decoder_knows(uint16_t method);
/* -EBADMSG when the data is damaged, ends too early, or does not end where the entry does. */
int decoder_run(struct decoder *decoder, uint16_t method, const struct decoder_input *input,
                const struct decoder_output *output, struct decoder_sums *sums);
