/* Linked into the programs of `make SANITIZE=1`, and into no test: the engine starts them without an
 * environment, so what ASan and UBSan are to do is said here. Reports are files, because a shim's stderr is
 * nobody's. What a program read once and holds to its end is no leak. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void) {
    return "detect_leaks=0:log_path=/tmp/berth-sanitize";
}

const char *__ubsan_default_options(void) {
    return "print_stacktrace=1:log_path=/tmp/berth-sanitize";
}
