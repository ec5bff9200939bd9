/* tests/harness/ntlm_leaks.c - what AddressSanitizer must know in programs that log in by NTLM: gss-ntlmssp 1.2 keeps OpenSSL's
 * state of each login, which is told from leaks of ours by whole stacks alone. It is not told, as each word of a sanitizer
 * counts as a report (scripts/run-tests). Called by its runtime. */

const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:print_suppressions=0";
}

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
    return "leak:gssntlmssp\nleak:OSSL_LIB_CTX_new\n";
}
