/* helper/choice.c - see choice.h. */
#include "helper/choice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper/say.h"

const struct option choice_options[] = {
    OPTION("path", NULL, OPTION_LIST, choice, paths, "what to take, by a pattern; repeatable"),
    OPTION("exclude", NULL, OPTION_LIST, choice, excludes, "what to leave out; repeatable"),
    OPTION("untracked", NULL, OPTION_FLAG, choice, untracked, "take what git does not track"),
    OPTION("verbose", NULL, OPTION_FLAG, choice, verbose, "say each path that is taken"),
    { 0 }
};

static int open_root(struct choice *choice)
{
    choice->root = getcwd(NULL, 0);
    choice->root_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (choice->root && choice->root_fd >= 0)
        return 0;
    return -say_fatal("Unable to get working directory");
}

int choice_make(struct choice *choice)
{
    struct selection_request request = { .paths = choice->paths.items,
                                         .excludes = choice->excludes.items,
                                         .n_paths = choice->paths.n,
                                         .n_excludes = choice->excludes.n,
                                         .untracked = choice->untracked,
                                         .variables = &expand_environment };
    struct error err = { 0 };

    if (open_root(choice) < 0)
        return -EINVAL;
    request.root = choice->root;
    request.root_fd = choice->root_fd;
    if (selection_make(&request, &say_report, &choice->selection, &err) < 0)
        return -say_fatal("%s", err.message);
    for (size_t i = 0; choice->verbose && i < choice->selection->n_paths; i++)
        say(SAY_INFO, "%s", choice->selection->paths[i]);
    return 0;
}

void choice_done(struct choice *choice)
{
    selection_free(choice->selection);
    free(choice->root);
    if (choice->root_fd >= 0)
        (void) close(choice->root_fd);
    *choice = CHOICE_INIT;
}
