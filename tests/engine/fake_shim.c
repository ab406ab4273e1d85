/* Stands in for berth-shim in helper-host.test.ts: reads the spec from descriptor 3 and does what its "id" says.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a shim finds open, and what it was born with: the test checks that nothing of the helper's leaked. */
static void answer_ok(void) {
    DIR *dir = opendir("/proc/self/fd");
    dprintf(4, "{\"ok\":true,\"pid\":%d,\"startedAt\":\"now\",\"session\":%d,\"fds\":[", getpid(), getsid(0));
    const char *comma = "";
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || (entry->d_name[0] == '0' + dirfd(dir)))
            continue;
        dprintf(4, "%s%s", comma, entry->d_name);
        comma = ",";
    }
    dprintf(4, "]}\n");
}

int main(void) {
    char spec[4096];
    long n = read(3, spec, sizeof spec - 1);
    spec[n > 0 ? n : 0] = '\0';
    if (write(3, "x", 1) == 1)
        dprintf(4,
                "{\"ok\":false,\"error\":{\"code\":\"internal\",\"message\":\"the spec is not sealed\"}}\n");
    else if (strstr(spec, "refuse"))
        dprintf(4, "{\"ok\":false,\"error\":{\"code\":\"exec_not_found\",\"message\":\"no \\\"x\\\"\"}}\n");
    else if (strstr(spec, "die"))
        return 9;
    else if (strstr(spec, "babble"))
        dprintf(4, "hello\n");
    else
        answer_ok();
    return 0;
}
