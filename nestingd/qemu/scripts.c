/* nestingd/qemu/scripts.c - what the agent runs in a guest, as root (docs/qemu-images.md): before it is frozen, and when
 * it was restored, before anybody can reach it.
 *
 * The kernel takes the seed at once only when it is told to by an ioctl, which no shell can call; else two guests would
 * make equal keys from their equal state. The new keys are in place before sshd starts itself anew. Plain POSIX, for
 * busybox.
 */
#include "nestingd/qemu/agent.h"

/* cloud-init's exit status 2 is an error that it got over. */
const char settle_script[] = "if command -v cloud-init >/dev/null; then\n"
                             "  cloud-init status --wait >/dev/null || [ $? -eq 2 ]\n"
                             "fi\n";

const char refresh_script[] =
    "set -e\n"
    "date -u -s \"@$1\" >/dev/null\n"
    "echo \"$2\" >/dev/urandom\n"
    "if command -v perl >/dev/null; then\n"
    "  perl -e 'open(F, q(>), q(/dev/urandom)) && ioctl(F, 0x5207, 0) or die qq(no new random "
    "seed: $!)'\n"
    "elif command -v python3 >/dev/null; then\n"
    "  python3 -c 'import fcntl; fcntl.ioctl(open(\"/dev/urandom\", \"wb\"), 0x5207)'\n"
    "else\n"
    "  echo 'it has neither perl nor python3 to take a new random seed with' >&2\n"
    "  exit 1\n"
    "fi\n"
    "if [ -s /etc/machine-id ]; then\n"
    "  tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id\n"
    "fi\n"
    "for key in /etc/ssh/ssh_host_*_key; do\n"
    "  [ -f \"$key\" ] || continue\n"
    "  type=${key#/etc/ssh/ssh_host_}\n"
    "  rm -f \"$key.new\" \"$key.new.pub\"\n"
    "  ssh-keygen -q -t \"${type%_key}\" -N '' -C '' -f \"$key.new\"\n"
    "  mv \"$key.new.pub\" \"$key.pub\"\n"
    "  mv \"$key.new\" \"$key\"\n"
    "done\n"
    "if [ -s /run/sshd.pid ]; then\n"
    "  kill -HUP \"$(cat /run/sshd.pid)\"\n"
    "fi\n"
    "if [ -x /etc/flotilla/refresh ]; then\n"
    "  /etc/flotilla/refresh\n"
    "fi\n";
