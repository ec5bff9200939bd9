/* nestingd/qemu/usernet.h - which port of this machine leads to a guest, by what QEMU's "info usernet" prints. Pure. */
#pragma once

/* 0, or -ENOENT. A guest adds lines by its connections, none of which is a forwarded one. */
int usernet_find_port(const char *text, unsigned *ret);
