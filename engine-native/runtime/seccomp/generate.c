/* Build step: turns the names of facts.h into the sorted table of numbers that filter.c compiles from, and
 * with "names" every name into its numbers, for profile.c. Runs on the build machine and prints a header; the
 * numbers come from the target's own kernel headers (syscall_numbers.inc, made by the Makefile), so that no
 * library is needed when a container starts. */
#include "facts.h"
#include "filter.h"

#include <asm/unistd.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
    const char *name;
    long nr;
};

struct fact {
    const char *name;
    unsigned long long caps;
    int rule;
};

#define NR(call, nr) {#call, nr},
static const struct number numbers[] = {
#include "syscall_numbers.inc"
    SECCOMP_NEW_NUMBERS(NR)
#ifdef __x86_64__
        {"uretprobe", 335},
#endif
};

#define ANY(call) {#call, 0, RULE_NONE},
#define CAP(cap, call) {#call, 1ULL << CAP_##cap, RULE_NONE},
#define RULE(rule, call) {#call, 0, RULE_##rule},
static const struct fact facts[] = {SECCOMP_FACTS(ANY, CAP, RULE)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static long number_of(const char *name) {
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0)
            return numbers[i].nr;
    return -1; /* this architecture does not have the call */
}

static const struct number numbers_32[] = {
#include "syscall_numbers_32.inc"
    {NULL, -1},
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct number *)a)->name, ((const struct number *)b)->name);
}

static long number_32_of(const char *name, long native) {
    for (size_t i = 0; i + 1 < COUNT(numbers_32); i++)
        if (strcmp(numbers_32[i].name, name) == 0)
            return numbers_32[i].nr;
    /* From 424 on every architecture counts alike. */
    return COUNT(numbers_32) > 1 && native >= 424 ? native : -1;
}

static int print_names(void) {
    static struct number all[COUNT(numbers) + COUNT(numbers_32)];
    size_t n = COUNT(numbers);

    memcpy(all, numbers, sizeof(numbers));
    for (size_t i = 0; i + 1 < COUNT(numbers_32); i++)
        if (number_of(numbers_32[i].name) < 0)
            all[n++] = (struct number){numbers_32[i].name, -1};
    qsort(all, n, sizeof(all[0]), by_name);
    printf("/* Made by seccomp/generate.c; do not edit. */\n");
    printf("static const struct syscall_name syscall_names[] = {\n");
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i].name, all[i - 1].name) != 0)
            printf("    {\"%s\", %ld, %ld},\n", all[i].name, all[i].nr, number_32_of(all[i].name, all[i].nr));
    printf("};\n");
    return ferror(stdout) ? 1 : 0;
}

int main(int argc, char **argv) {
    static struct {
        int present, rule;
        unsigned long long caps;
    } table[LAST_KNOWN + 1];

    if (argc > 1 && strcmp(argv[1], "names") == 0)
        return print_names();
    for (size_t i = 0; i < COUNT(facts); i++) {
        long nr = number_of(facts[i].name);
        if (nr < 0)
            continue;
        if (nr > LAST_KNOWN) {
            fprintf(stderr, "generate: \"%s\" has number %ld, above LAST_KNOWN\n", facts[i].name, nr);
            return 1;
        }
        /* A call named under two capabilities is allowed with either of them. */
        table[nr].present = 1;
        table[nr].caps |= facts[i].caps;
        table[nr].rule = facts[i].rule;
    }
    printf("/* Made by seccomp/generate.c; do not edit. */\n#define SECCOMP_LAST_KNOWN %d\n", LAST_KNOWN);
    printf("#define SECCOMP_NR_CLONE3 %ld\n", number_of("clone3"));
    printf("static const struct seccomp_entry seccomp_table[] = {\n");
    for (int nr = 0; nr <= LAST_KNOWN; nr++)
        if (table[nr].present)
            printf("    {%d, %d, 0x%llxULL},\n", nr, table[nr].rule, table[nr].caps);
    printf("};\n");
    return ferror(stdout) ? 1 : 0;
}
