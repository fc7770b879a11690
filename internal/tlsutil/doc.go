// Package tlsutil keeps what the server must not lose and must not show (DATA/secrets), and makes certificates
// for HTTPS and TURN over TLS out of it.
//
// Which mode to choose:
//
//   - local-ca: nothing is configured; an own CA signs a certificate for every address and name of this machine.
//     The CA is installed once on each casting device. It is bound by name constraints, so that a stolen CA key
//     cannot sign for anything but this network.
//   - acme: the server has a public name and can be reached on port 443 (or 80) from the internet.
//   - files: a certificate comes from elsewhere; it is read again when it changes.
//   - off: a proxy in front ends TLS.
//
// Nothing here runs in the background: certificates are checked during handshakes, at most once a minute
// (local-ca) or once in five seconds (files).
//
// Layout of the data directory:
//
//	DATA/ca.crt              the CA certificate, for everybody (PEM)
//	DATA/secrets/server.key  32 bytes in hex: signs tickets and resume tokens
//	DATA/secrets/turn.secret the shared secret of TURN's REST credentials, as text
//	DATA/secrets/ca.pem      private key and certificate of the CA
//	DATA/secrets/leaf.pem    private key and certificate that are served
//	DATA/secrets/acme/       what autocert keeps
//
// Two servers may share one data directory: writes are serialised by a lock file and each server keeps the leaf
// that suits its own names in memory.
package tlsutil
