/* The option --vm: the same command in a virtual machine that has the kernel module. */
#ifndef EPDIFF_EPDIFF_VM_H
#define EPDIFF_EPDIFF_VM_H

/*
 * If --vm is among the arguments, starts ci/vm with the others in the place of this process, and
 * returns only if that cannot be: STATUS_USAGE or STATUS_HARNESS after a message. Returns STATUS_OK
 * if it is not. argv is that of main.
 */
int vm_take_over(int argc, char **argv);

#endif
