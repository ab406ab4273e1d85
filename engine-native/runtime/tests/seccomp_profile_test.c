/* Profiles compiled from JSON, run by an interpreter of classic BPF: every operator at its borders, both
 * architectures, and what is wrong with a profile. */
#include "../seccomp/profile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

static struct seccomp_program *program;
static struct err last_error;

static bool jumps(const struct sock_filter *i, uint32_t a) {
    switch (BPF_OP(i->code)) {
    case BPF_JEQ:
        return a == i->k;
    case BPF_JGT:
        return a > i->k;
    case BPF_JGE:
        return a >= i->k;
    default:
        CHECK(!"a jump the test does not know");
        return false;
    }
}

static uint32_t run(uint32_t arch, uint32_t nr, uint64_t arg0, uint64_t arg1) {
    struct seccomp_data data = {.nr = (int)nr, .arch = arch, .args = {arg0, arg1}};
    uint32_t a = 0;

    for (size_t pc = 0; pc < program->len; pc++) {
        const struct sock_filter *i = &program->insns[pc];
        if (i->code == (BPF_RET | BPF_K))
            return i->k;
        if (i->code == (BPF_LD | BPF_W | BPF_ABS))
            memcpy(&a, (const char *)&data + i->k, sizeof(a));
        else if (i->code == (BPF_ALU | BPF_AND | BPF_K))
            a &= i->k;
        else if (i->code == (BPF_JMP | BPF_JA))
            pc += i->k;
        else
            pc += jumps(i, a) ? i->jt : i->jf;
    }
    CHECK(!"ran off the end");
    return 0;
}

static uint32_t verdict(long nr, uint64_t arg0, uint64_t arg1) {
    return run(ARCH, (uint32_t)nr, arg0, arg1);
}

static bool compile(const char *text) {
    struct err err = {0};
    struct json_doc *doc = json_parse(text, strlen(text), &err);

    free(program);
    program = doc ? seccomp_profile_compile(json_root(doc), &err) : NULL;
    last_error = err;
    json_free(doc);
    return program != NULL;
}

#define ALLOWED SECCOMP_RET_ALLOW
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

static void plain_rules(void) {
    CHECK(compile(
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86_"
        "64\"],"
        "\"syscalls\":[{\"names\":[\"read\",\"write\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"getcwd\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13},"
        "{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
        "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_LOG\"},{\"names\":[\"uname\"],\"action\":\"SCMP_ACT_"
        "TRAP\"}]}"));
    CHECK(verdict(SYS_read, 0, 0) == ALLOWED);
    CHECK(verdict(SYS_write, 9, 9) == ALLOWED);
    CHECK(verdict(SYS_openat, 0, 0) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(verdict(SYS_getcwd, 0, 0) == (SECCOMP_RET_ERRNO | EACCES));
    CHECK(verdict(SYS_reboot, 0, 0) == SECCOMP_RET_KILL_PROCESS);
    CHECK(verdict(SYS_mount, 0, 0) == SECCOMP_RET_LOG);
    CHECK(verdict(SYS_uname, 0, 0) == SECCOMP_RET_TRAP);
    CHECK(run(0, SYS_read, 0, 0) == SECCOMP_RET_KILL_PROCESS);
}

static bool holds(const char *op, uint64_t value, uint64_t second, uint64_t arg) {
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
                   "\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_"
                   "CMP_%s\"}]}]}",
                   (unsigned long long)value, (unsigned long long)second, op);
    CHECK(compile(text));
    uint32_t got = program ? verdict(SYS_read, 0, arg) : 0;
    CHECK(got == ALLOWED || got == REFUSED);
    return got == ALLOWED;
}

static void operators(void) {
    static const uint64_t values[] = {
        0,           1,           5,           0x7fffffff,         0x80000000,        0xffffffff,
        0x100000000, 0x100000001, 0x500000005, 0x7fffffffffffffff, 0xffffffffffffffff};
    const size_t n = sizeof(values) / sizeof(values[0]);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            uint64_t v = values[i], a = values[j];
            CHECK(holds("EQ", v, 0, a) == (a == v));
            CHECK(holds("NE", v, 0, a) == (a != v));
            CHECK(holds("LT", v, 0, a) == (a < v));
            CHECK(holds("LE", v, 0, a) == (a <= v));
            CHECK(holds("GT", v, 0, a) == (a > v));
            CHECK(holds("GE", v, 0, a) == (a >= v));
            CHECK(holds("MASKED_EQ", v, 1, a) == ((a & v) == 1));
        }
}

static void several_conditions(void) {
    CHECK(compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
                  "\"SCMP_ACT_ERRNO\","
                  "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":2,"
                  "\"op\":\"SCMP_CMP_EQ\"}]}]}"));
    CHECK(verdict(SYS_read, 1, 2) == REFUSED);
    CHECK(verdict(SYS_read, 1, 3) == ALLOWED);
    CHECK(verdict(SYS_read, 0, 2) == ALLOWED);
    /* On one argument they are alternatives; a rule without conditions behind them catches the rest. */
    CHECK(compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
                  "\"SCMP_ACT_ERRNO\","
                  "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":2,"
                  "\"op\":\"SCMP_CMP_EQ\"}]},"
                  "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRAP\"}]}"));
    CHECK(verdict(SYS_read, 1, 0) == REFUSED);
    CHECK(verdict(SYS_read, 2, 0) == REFUSED);
    CHECK(verdict(SYS_read, 3, 0) == SECCOMP_RET_TRAP);
    CHECK(verdict(SYS_write, 3, 0) == ALLOWED);
}

#ifdef __x86_64__
static void second_architecture(void) {
    CHECK(compile(
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"],"
        "\"syscalls\":[{\"names\":[\"read\",\"clock_gettime64\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"));
    CHECK(run(AUDIT_ARCH_I386, 3, 0, 0) == ALLOWED);
    CHECK(run(AUDIT_ARCH_I386, 403, 0, 0) == ALLOWED);
    CHECK(run(AUDIT_ARCH_I386, 0, 0, 0) == REFUSED);
    CHECK(run(AUDIT_ARCH_X86_64, 0, 0, 0) == ALLOWED);
    CHECK(run(AUDIT_ARCH_X86_64, 0x40000000, 0, 0) == SECCOMP_RET_KILL_PROCESS);
    CHECK(run(AUDIT_ARCH_X86_64, 0xffffffff, 0, 0) == (SECCOMP_RET_ERRNO | ENOSYS));
}
#endif

static void refusals(void) {
    CHECK(!compile("{\"syscalls\":[]}"));
    CHECK(!compile("{\"defaultAction\":\"SCMP_ACT_PLEASE\"}"));
    CHECK(!compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
                   "\"SCMP_ACT_NOTIFY\"}]}"));
    CHECK(last_error.code == ERR_UNSUPPORTED);
    CHECK(!compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
                   "\"SCMP_ACT_ERRNO\","
                   "\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}"));
    CHECK(
        !compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}"));
    CHECK(!compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"amd64\"]}"));
}

int main(void) {
    plain_rules();
    operators();
    several_conditions();
#ifdef __x86_64__
    second_architecture();
#endif
    refusals();
    free(program);
    return checks_done("seccomp_profile");
}
