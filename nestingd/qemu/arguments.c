/* nestingd/qemu/arguments.c - see arguments.h.
 *
 * The machine has what a job needs and nothing that QEMU would add by itself. Devices come in a fixed order and are
 * named: the state of a frozen guest fits no other machine.
 */
#include "nestingd/qemu/arguments.h"

#include <errno.h>
#include <stdarg.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define EMPTY_BYTES ((int64_t) 64 << 20)

enum { CONSOLE_SIZE = 64 * 1024 };

static void add_taken(struct arguments *arguments, char *item)
{
    if (!item && arguments->error == 0)
        arguments->error = -ENOMEM;
    if (item && arguments->n + 1 >= ARGUMENTS_MAX) {
        free(item);
        arguments->error = -E2BIG;
    } else if (item) {
        arguments->items[arguments->n++] = item;
    }
}

static void add(struct arguments *arguments, const char *name)
{
    add_taken(arguments, mem_strdup(name));
}

PRINTF_LIKE(3, 4)
static void add_option(struct arguments *arguments, const char *name, const char *fmt, ...)
{
    va_list args;

    add(arguments, name);
    va_start(args, fmt);
    add_taken(arguments, mem_vprintf(fmt, args));
    va_end(args);
}

/* In an option that is a list, a comma of ours is doubled. */
static void add_path(struct buf *out, const char *folder, const char *name)
{
    for (const char *c = folder; *c; c++) {
        if (*c == ',')
            buf_add_char(out, ',');
        buf_add_char(out, *c);
    }
    buf_addf(out, "/%s", name);
}

static void add_socket(struct arguments *arguments, const struct launch *launch, const char *name)
{
    autobuf struct buf path = BUF_INIT;

    add_path(&path, launch->folder, name);
    if (buf_error(&path) < 0)
        arguments->error = buf_error(&path);
    add_option(arguments, "-chardev", "socket,id=%s,path=%s,server=on,wait=off", name,
               buf_str(&path));
}

/* A path in JSON, quoted; NULL without memory. */
static json_t *quoted(const char *folder, const char *name)
{
    autofree char *path = mem_printf("%s/%s", folder, name);

    return path ? json_object_new_string(path) : NULL;
}

/* What a guest writes is thrown away with it: there is no need to wait until it is on a disk. */
static void add_disk(struct arguments *arguments, const struct launch *launch)
{
    autojson json_t *path = quoted(launch->folder, "disk.qcow2");

    if (!path)
        arguments->error = -ENOMEM;
    add_option(arguments, "-blockdev",
               "{\"driver\":\"qcow2\",\"node-name\":\"disk\",\"discard\":\"unmap\",\"cache\":{\"no-"
               "flush\":true},"
               "\"file\":{\"driver\":\"file\",\"filename\":%s}}",
               path ? json_text(path) : "");
    /* A full disk of the host is the guest's error; QEMU would rather stop the guest. */
    add_option(arguments, "-device",
               "virtio-blk-pci,drive=disk,bootindex=1,werror=report,rerror=report");
}

/* QEMU shows the folder as a disk that cloud-init knows by its label. */
static void add_seed(struct arguments *arguments, const struct launch *launch)
{
    autojson json_t *path = quoted(launch->folder, "seed");

    if (!path)
        arguments->error = -ENOMEM;
    add_option(arguments, "-blockdev",
               "{\"driver\":\"vvfat\",\"node-name\":\"seed\",\"read-only\":true,\"label\":"
               "\"cidata\",\"dir\":%s}",
               path ? json_text(path) : "");
    add_option(arguments, "-device", "virtio-blk-pci,drive=seed");
}

static void add_machine(struct arguments *arguments, const struct settings *image,
                        const struct launch *launch)
{
    add(arguments, image->qemu);
    add_option(arguments, "-name", "%s", launch->name);
    add(arguments, "-nodefaults");
    add(arguments, "-no-user-config");
    add_option(arguments, "-display", "none");
    /* A bridge needs its helper, which has rights of its own. */
    add_option(arguments, "-sandbox",
               "on,obsolete=deny,resourcecontrol=deny,elevateprivileges=%s,spawn=%s",
               image->bridge[0] ? "allow" : "deny", image->bridge[0] ? "allow" : "deny");
    add_option(arguments, "-machine", "q35,usb=off,vmport=off,accel=%s",
               launch->kvm ? "kvm" : "tcg");
    add_option(arguments, "-cpu", "%s", image->cpu);
    add_option(arguments, "-smp", "%u", image->cpus);
    add_option(arguments, "-m", "%lldM", (long long) (image->memory_bytes / 1024 / 1024));
    add_option(arguments, "-rtc", "base=utc");
}

static void add_boot(struct arguments *arguments, const struct settings *image)
{
    if (!image->kernel[0])
        return;
    add_option(arguments, "-kernel", "%s", image->kernel);
    if (image->initrd[0])
        add_option(arguments, "-initrd", "%s", image->initrd);
    if (image->append[0])
        add_option(arguments, "-append", "%s", image->append);
}

static void add_network(struct arguments *arguments, const struct settings *image,
                        const struct launch *launch)
{
    /* Without its ROM: nobody boots from the network. */
    if (image->bridge[0]) {
        add_option(arguments, "-netdev", "bridge,id=net,br=%s", image->bridge);
        add_option(arguments, "-device", "virtio-net-pci,netdev=net,mac=%s,romfile=", launch->mac);
        return;
    }
    /* Port 0: the system gives one. By IPv6 a guest would reach the host's loopback once more. */
    add_option(arguments, "-netdev", "user,id=net,ipv6=off,restrict=%s,hostfwd=tcp:127.0.0.1:0-:%u",
               image->restricted ? "on" : "off", image->port);
    add_option(arguments, "-device", "virtio-net-pci,netdev=net,romfile=");
}

/* The last of what it prints, in memory: a guest could fill a file. */
static void add_console(struct arguments *arguments)
{
    add_option(arguments, "-chardev", "ringbuf,id=console,size=%d", CONSOLE_SIZE);
}

/* vmgenid tells a kernel that knows it to take a new random seed at once when it was restored. */
static void add_devices(struct arguments *arguments, const struct settings *image,
                        const struct launch *launch)
{
    add_disk(arguments, launch);
    if (image->user_data[0])
        add_seed(arguments, launch);
    add_network(arguments, image, launch);
    add_option(arguments, "-device", "virtio-rng-pci");
    add_option(arguments, "-device", "vmgenid,guid=auto");
    add_option(arguments, "-device", "virtio-serial-pci");
    add_socket(arguments, launch, "agent");
    add_option(arguments, "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
    add_console(arguments);
    add_option(arguments, "-serial", "chardev:console");
}

static void add_monitor(struct arguments *arguments, const struct launch *launch)
{
    add_socket(arguments, launch, "qmp");
    add_option(arguments, "-mon", "chardev=qmp,mode=control");
}

int arguments_make(struct arguments *arguments, const struct settings *image,
                   const struct launch *launch)
{
    *arguments = (struct arguments) { 0 };
    add_machine(arguments, image, launch);
    add_boot(arguments, image);
    add_devices(arguments, image, launch);
    add_monitor(arguments, launch);
    if (launch->incoming)
        add_option(arguments, "-incoming", "defer");
    return arguments->error;
}

/* A VM that is too large for the host must not pass for a KVM that does not work. */
int arguments_make_empty(struct arguments *arguments, const struct settings *settings,
                         const struct launch *launch)
{
    struct settings least = *settings;

    least.cpus = 1;
    least.memory_bytes = EMPTY_BYTES;
    *arguments = (struct arguments) { 0 };
    add_machine(arguments, &least, launch);
    add_console(arguments);
    add_option(arguments, "-device",
               "isa-debugcon,iobase=0x402,chardev=console"); /* its BIOS prints there */
    add_monitor(arguments, launch);
    return arguments->error;
}

void arguments_done(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->n; i++)
        free(arguments->items[i]);
    *arguments = (struct arguments) { 0 };
}
