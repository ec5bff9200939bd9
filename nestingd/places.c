/* nestingd/places.c - see places.h. */
#include "nestingd/places.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/str.h"

#define SOCKET "nesting.sock"
#define FOLDER "flotilla-nesting"

#ifdef __APPLE__
#define RUNTIME NULL
#define STATE NULL
#define HOME_RUNTIME "Library/Application Support/"
#define HOME_STATE "Library/Application Support/"
#else
#define RUNTIME "XDG_RUNTIME_DIR"
#define STATE "XDG_STATE_HOME"
#define HOME_RUNTIME ""
#define HOME_STATE ".local/state/"
#endif

static const char *value_of(const char *variable)
{
    const char *value = variable ? getenv(variable) : NULL;

    return str_empty(value) ? NULL : value;
}

/* "FOLDER/NAME", of a folder that a variable names, or of one below the home directory. */
static void add_default(struct buf *path, const char *variable, const char *below_home,
                        const char *name)
{
    const char *home = value_of("HOME");

    if (value_of(variable))
        buf_addf(path, "%s/%s", value_of(variable), name);
    else if (home)
        buf_addf(path, "%s/%s%s", home, below_home, name);
}

static int make_absolute(const char *path, struct buf *ret, struct error *err)
{
    autofree char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);

    if (path[0] != '/' && !here)
        return error_errno(err, -errno, "the working directory, where %s would be", path);
    if (here)
        buf_addf(ret, "%s/", here);
    buf_add_str(ret, path);
    return buf_error(ret) < 0 ? error_set(err, buf_error(ret), "out of memory") : 0;
}

int places_socket(struct buf *ret, struct error *err)
{
    autobuf struct buf path = BUF_INIT;

    if (value_of("NESTING_SOCKET"))
        buf_add_str(&path, value_of("NESTING_SOCKET"));
    else
        add_default(&path, RUNTIME, HOME_RUNTIME, SOCKET);
    return make_absolute(path.len > 0 ? buf_str(&path) : SOCKET, ret, err);
}

int places_state(const char *chosen, struct buf *ret, struct error *err)
{
    autobuf struct buf path = BUF_INIT;

    if (!chosen)
        chosen = value_of("STATE_DIRECTORY");
    if (chosen)
        buf_add_str(&path, chosen);
    else
        add_default(&path, STATE, HOME_STATE, FOLDER);
    if (path.len == 0)
        return error_set(err, -ENOENT,
                         "there is no HOME to keep the state in: name a folder with "
                         "-state");
    return make_absolute(buf_str(&path), ret, err);
}
