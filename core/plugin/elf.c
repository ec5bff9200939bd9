/* core/plugin/elf.c - a plugin's ELF tables, read before any of its code may run.
 *
 * The file is foreign: every offset is checked against the mapping. Called by load.c and by
 * `flotilla plugin check`. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/base/autoclean.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"

#define PLUGIN_FILE_MAX ((off_t) 256 * 1024 * 1024)

struct image {
    const unsigned char *data;
    size_t size;
    const Elf64_Dyn *dynamic;
    size_t n_dynamic;
    const Elf64_Sym *symbols;
    size_t n_symbols;
    const char *strings;
    size_t strings_size;
    bool text_relocations, executable_stack;
};

static void unmap(struct image *image)
{
    if (image->data)
        (void) munmap((void *) (uintptr_t) image->data, image->size);
}

static const void *at(const struct image *image, uint64_t offset, uint64_t count, uint64_t size)
{
    uint64_t bytes, end;

    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(offset, bytes, &end) || end > image->size || offset % 8 != 0)
        return NULL;
    return image->data + offset;
}

static int map_file(int fd, struct image *image, struct error *err)
{
    struct stat st;
    void *data;

    if (fstat(fd, &st) < 0)
        return error_errno(err, -errno, "plugin file");
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t) sizeof(Elf64_Ehdr) ||
        st.st_size > PLUGIN_FILE_MAX)
        return error_set(err, FLT_E_ABI, "not a shared object: no regular file of a sane size");
    data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return error_errno(err, -errno, "plugin file: mmap");
    image->data = data;
    image->size = (size_t) st.st_size;
    return 0;
}

/* The part that says what the file is; map_file() has made sure that it is there. */
static const Elf64_Ehdr *header_of(const struct image *image)
{
    return (const Elf64_Ehdr *) image->data;
}

static int check_header(const struct image *image, struct error *err)
{
    const Elf64_Ehdr *header = header_of(image);

    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return error_set(err, FLT_E_ABI, "not a shared object: no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_type != ET_DYN)
        return error_set(err, FLT_E_ABI,
                         "not a shared object of this machine: class %u, data %u, type %u",
                         header->e_ident[EI_CLASS], header->e_ident[EI_DATA], header->e_type);
    return 0;
}

static void read_flags(struct image *image)
{
    for (size_t i = 0; i < image->n_dynamic && image->dynamic[i].d_tag != DT_NULL; i++) {
        if (image->dynamic[i].d_tag == DT_TEXTREL)
            image->text_relocations = true;
        if (image->dynamic[i].d_tag == DT_FLAGS && (image->dynamic[i].d_un.d_val & DF_TEXTREL))
            image->text_relocations = true;
    }
}

static int read_segments(struct image *image, struct error *err)
{
    const Elf64_Ehdr *header = header_of(image);
    const Elf64_Phdr *segments =
        header->e_phentsize == sizeof(Elf64_Phdr)
            ? at(image, header->e_phoff, header->e_phnum, sizeof(Elf64_Phdr))
            : NULL;
    bool stack_seen = false;

    if (!segments)
        return error_set(err, FLT_E_ABI, "its program headers are broken");
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_GNU_STACK) {
            stack_seen = true;
            image->executable_stack = (segments[i].p_flags & PF_X) != 0;
        }
        if (segments[i].p_type == PT_DYNAMIC) {
            image->n_dynamic = segments[i].p_filesz / sizeof(Elf64_Dyn);
            image->dynamic = at(image, segments[i].p_offset, image->n_dynamic, sizeof(Elf64_Dyn));
        }
    }
    if (!stack_seen)
        image->executable_stack = true; /* the loader's default without the header */
    if (!image->dynamic)
        return error_set(err, FLT_E_ABI, "it has no dynamic section");
    read_flags(image);
    return 0;
}

static int read_symbols(struct image *image, struct error *err)
{
    const Elf64_Ehdr *header = header_of(image);
    const Elf64_Shdr *sections =
        header->e_shentsize == sizeof(Elf64_Shdr)
            ? at(image, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr))
            : NULL;

    for (size_t i = 0; sections && !image->symbols && i < header->e_shnum; i++) {
        const Elf64_Shdr *strings;

        if (sections[i].sh_type != SHT_DYNSYM || sections[i].sh_link >= header->e_shnum)
            continue;
        strings = &sections[sections[i].sh_link];
        image->n_symbols = sections[i].sh_size / sizeof(Elf64_Sym);
        image->symbols = at(image, sections[i].sh_offset, image->n_symbols, sizeof(Elf64_Sym));
        if (strings->sh_offset <= image->size &&
            strings->sh_size <= image->size - strings->sh_offset && strings->sh_size > 0) {
            image->strings = (const char *) image->data + strings->sh_offset;
            image->strings_size = strings->sh_size;
        }
    }
    if (!image->symbols || !image->strings || image->strings[image->strings_size - 1] != '\0')
        return error_set(err, FLT_E_ABI, "its symbol table is missing or broken");
    return 0;
}

static int open_image(int fd, struct image *image, struct error *err)
{
    int r = map_file(fd, image, err);

    if (!image->data)
        return r;
    r = check_header(image, err);
    if (r == 0)
        r = read_segments(image, err);
    if (r == 0)
        r = read_symbols(image, err);
    return r;
}

/* The name of the i-th symbol if it is one that others can bind to. */
static const char *exported_name(const struct image *image, size_t i)
{
    const Elf64_Sym *symbol = &image->symbols[i];
    unsigned char bind = ELF64_ST_BIND(symbol->st_info);
    unsigned char visibility = ELF64_ST_VISIBILITY(symbol->st_other);

    if (symbol->st_shndx == SHN_UNDEF || (bind != STB_GLOBAL && bind != STB_WEAK) ||
        visibility == STV_HIDDEN || visibility == STV_INTERNAL ||
        symbol->st_name >= image->strings_size)
        return NULL;
    return image->strings + symbol->st_name;
}

/* Another major of the same entry ("flotilla_provider_v2") deserves its own sentence. */
static int missing_entry(const struct image *image, const char *entry, struct error *err)
{
    size_t stem = strlen(entry) - 1;

    for (size_t i = 0; i < image->n_symbols; i++) {
        const char *name = exported_name(image, i);

        if (name && strncmp(name, entry, stem) == 0)
            return error_set(err, FLT_E_ABI, "has %s, this host knows %s", name, entry);
        if (name && str_starts(name, "flotilla_"))
            return error_set(err, FLT_E_ABI, "is a plugin of another kind: has %s, wanted %s", name,
                             entry);
    }
    return error_set(err, FLT_E_ABI, "does not export %s", entry);
}

int plugin_check_elf(int fd, const char *entry, struct error *err)
{
    __attribute__((cleanup(unmap))) struct image image = { 0 };
    int r = open_image(fd, &image, err);
    bool found = false;

    if (r < 0)
        return r;
    for (size_t i = 0; i < image.n_symbols; i++)
        found |= str_eq(exported_name(&image, i), entry);
    if (!found)
        return missing_entry(&image, entry, err);
    if (image.text_relocations)
        return error_set(err, FLT_E_ABI, "has text relocations; build it with -fPIC");
    if (image.executable_stack)
        return error_set(err, FLT_E_ABI,
                         "wants an executable stack; link it with -Wl,-z,noexecstack");
    return 0;
}

int plugin_each_export(int fd, void (*on_symbol)(void *arg, const char *name), void *arg,
                       struct error *err)
{
    __attribute__((cleanup(unmap))) struct image image = { 0 };
    int r = open_image(fd, &image, err);

    for (size_t i = 0; r == 0 && i < image.n_symbols; i++) {
        const char *name = exported_name(&image, i);

        if (name && *name)
            on_symbol(arg, name);
    }
    return r;
}
