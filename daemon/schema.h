// daemon/schema.h -- the schema that akssld serves, as protoc has described it at the build.

#ifndef AK_DAEMON_SCHEMA_H
#define AK_DAEMON_SCHEMA_H

#include "described.pb-c.h"

// ak_schema_open reads the description; never NULL.  Free with
// akssl__described__file_set__free_unpacked. Any thread.
Akssl__Described__FileSet *ak_schema_open(void);

// ak_schema_named gives the bytes of the file of that name (a FileDescriptorProto), or NULL.
// Borrowed from set.
const ProtobufCBinaryData *ak_schema_named(const Akssl__Described__FileSet *set, const char *name);

// ak_schema_with gives the file that has a service, a method, a message or an enumeration of that
// full name ("akssl.v1.Lab.Submit"), or NULL.
const ProtobufCBinaryData *ak_schema_with(const Akssl__Described__FileSet *set, const char *symbol);

// ak_schema_services calls see with the full name of each service; borrowed for the call.
void ak_schema_services(const Akssl__Described__FileSet *set,
                        void (*see)(void *ctx, const char *name), void *ctx);

#endif
