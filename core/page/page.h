/* core/page/page.h - pages of HTML that stand by themselves: how each begins and looks, text that is
 * escaped, and the file; for the reports of `flotilla exec` and `flotilla simulate`.
 *
 * Nothing is loaded and no script is needed; the page's own policy forbids both. All that comes from
 * files, jobs and clouds goes through page_add_text() (hardening.md, case 17).
 */
#pragma once

#include "core/base/buf.h"

void page_add_text(struct buf *out, const char *text);
/* A name from outside: whatever direction it is written in, what stands beside it keeps its own. */
void page_add_name(struct buf *out, const char *text);

/* Up to <body>. `style` is what the page needs beside what all have: page_style.c. */
int page_begin(struct buf *out, const char *title, const char *style, struct error *err);
void page_end(struct buf *out);
/* A heading and a table that scrolls inside its own box; `columns` are <th> elements. */
void page_begin_table(struct buf *out, const char *caption, const char *columns);
void page_end_table(struct buf *out);

extern const char page_style[];

/* The file that --report names. */
/* Finds out before the work whether the file can be written after it. */
int page_check_file(const char *file, struct error *err);
/* In one step: a file that was there stays or is replaced as a whole. */
int page_write_file(const char *file, const struct buf *html, struct error *err);
