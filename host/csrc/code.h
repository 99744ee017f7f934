/* How machine code that was made for some rules comes into the process: the loader of the C library, as it is. */
#ifndef SM_CODE_H
#define SM_CODE_H

#include <dlfcn.h>

#endif
