/* For builds with sanitizers: modules stay loaded until the process ends, so that what a driver keeps to the
 * end is reported under its name, which lsan.supp knows. */
__attribute__((visibility("default"))) int dlclose(void *handle); /* seen by the modules themselves */

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
