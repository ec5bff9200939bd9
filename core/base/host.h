/* core/base/host.h - the machine that we run on. */
#pragma once

/* The processor in Go's words, which are GitLab's: "amd64", "arm64"; the kernel's word where Go has
 * none. Static. */
const char *host_architecture(void);
