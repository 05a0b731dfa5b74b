// daemon/auth/certificates.h -- `akssld --init-tls`: a certificate authority for one lab.
//
//     STATE/tls/ca.crt       what callers trust: give it to everybody
//     STATE/tls/ca.key       makes certificates: stays here
//     STATE/tls/server.crt, server.key   what akssld shows on TCP
//     STATE/tls/NAME.crt, NAME.key       what a caller shows where akssld asks for a certificate
//
// Keys are P-256, mode 0600.  The CA is made once and lasts ten years; a certificate lasts two, and
// is made anew each time it is asked for.

#ifndef AK_DAEMON_AUTH_CERTIFICATES_H
#define AK_DAEMON_AUTH_CERTIFICATES_H

#include "akssl/status.h"

// ak_certificates_init makes what is missing in folder, and a new server certificate for hosts
// (names and addresses, a line each; "": this host's name), always with localhost and the loopback
// addresses.
akssl_status ak_certificates_init(const char *folder, const char *hosts) AKSSL_MUST_CHECK;

// ak_certificates_client makes NAME.crt and NAME.key for a caller.  ERR_INVALID: a name that is no
// login name, "ca" or "server"; ERR_NOT_FOUND: there is no CA yet.
akssl_status ak_certificates_client(const char *folder, const char *name) AKSSL_MUST_CHECK;

#endif
