/* helper/static/probe.c - does the cross compiler have what the helper needs? The build links this to
 * see. */
#include <archive.h>
#include <json-c/json.h>
#include <libdeflate.h>
#include <nettle/sha2.h>
#include <zlib.h>
#include <zstd.h>

int main(void)
{
    struct sha256_ctx sum;
    struct archive *archive = archive_read_new();

    sha256_init(&sum);
    json_object_put(json_object_new_object());
    return archive && zlibVersion() && ZSTD_versionNumber() && libdeflate_crc32(0, "", 0) == 0;
}
