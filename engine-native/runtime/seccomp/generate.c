/* Build step: turns the names of facts.h into the sorted table of numbers that filter.c compiles from.
 * Runs on the build machine and prints a header; the numbers come from the target's own kernel headers
 * (syscall_numbers.inc, made by the Makefile), so that no library is needed when a container starts. */
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

int main(void) {
    static struct {
        int present, rule;
        unsigned long long caps;
    } table[LAST_KNOWN + 1];

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
