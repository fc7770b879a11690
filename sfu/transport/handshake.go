package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	dtlselliptic "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/logging"
)

const (
	handshakeDeadline = 15 * time.Second
	handshakeBytes    = 64 << 10 // of one peer; the fragment buffers of the library would take 2 MB
	flightAnswers     = 8        // how often the last flight is sent again
	certificateLife   = 30 * 24 * time.Hour
	exporterLabel     = "EXTRACTOR-dtls_srtp" // RFC 5764 §4.2
)

// profiles in the order of what sealing costs. dtls v3 lets the server's order decide, so a client that offers GCM
// anywhere in its list gets it.
var profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}

// curves in the order of what they cost: P-256 is in assembly where X25519 is not, and the library multiplies three
// times. All WebRTC peers have both (RFC 8827 §6.5 asks for P-256).
var curves = []dtlselliptic.Curve{dtlselliptic.P256, dtlselliptic.X25519, dtlselliptic.P384}

// newCertificate makes the server's certificate, fresh at each start and never written anywhere, and its fingerprint
// as SDP has it (RFC 8122 §5).
func newCertificate(now time.Time) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("DTLS certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "castcode"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateLife),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("DTLS certificate: %w", err)
	}
	sum := sha256.Sum256(raw)
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", x)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, b.String(), nil
}

// fingerprintOf is one a=fingerprint of an offer: a hash and the value as bytes.
type fingerprintOf struct {
	hash string
	sum  []byte
}

func (f fingerprintOf) equal(g fingerprintOf) bool {
	return f.hash == g.hash && string(f.sum) == string(g.sum)
}

// parseFingerprint reads "sha-256 AB:CD:…". ok is false for a hash that does not protect (or that nobody uses) and
// for a malformed value.
func parseFingerprint(s string) (f fingerprintOf, ok bool) {
	hash, value, found := strings.Cut(s, " ")
	if !found {
		return f, false
	}
	size := map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}[strings.ToLower(hash)]
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), ":", ""))
	if err != nil || size == 0 || len(sum) != size {
		return f, false
	}
	return fingerprintOf{strings.ToLower(hash), sum}, true
}

func (f fingerprintOf) matches(certificate []byte) bool {
	var sum []byte
	switch f.hash {
	case "sha-256":
		s := sha256.Sum256(certificate)
		sum = s[:]
	case "sha-384":
		s := sha512.Sum384(certificate)
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512(certificate)
		sum = s[:]
	}
	return subtle.ConstantTimeCompare(sum, f.sum) == 1
}

var errFingerprint = errors.New("the peer's certificate is not the one of its SDP")

// handshake is a DTLS handshake under way or done.
type handshake struct {
	wire   *wire
	cancel context.CancelFunc
	done   chan struct{}
	bytes  int // received, owned by the shard

	// written by the goroutine before done is closed, read after it
	keys   *keying
	flight [][]byte
	err    error
}

// begin starts the handshake goroutine. woken is called at its end, on it.
func (s *Server) begin(fingerprints []fingerprintOf, from Route, woken func()) *handshake {
	ctx, cancel := context.WithTimeout(s.ctx, handshakeDeadline)
	h := &handshake{wire: newWire(s.config.Send, from), cancel: cancel, done: make(chan struct{})}
	s.running.Go(func() {
		h.keys, h.err = h.run(ctx, s.certificate, fingerprints, s.logs)
		cancel()
		close(h.done)
		woken()
	})
	return h
}

// run shakes hands, takes the keys and lets the connection go: media needs nothing more of it. Whatever the peer's
// bytes do to the library ends this handshake only.
func (h *handshake) run(ctx context.Context, certificate tls.Certificate, fingerprints []fingerprintOf,
	logs logging.LoggerFactory,
) (keys *keying, err error) {
	defer func() {
		if r := recover(); r != nil {
			keys, err = nil, errors.New("the handshake panicked")
		}
	}()
	conn, err := dtls.ServerWithOptions(h.wire, &net.UDPAddr{},
		dtls.WithCertificates(certificate),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithEllipticCurves(curves...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(true), // the address has passed an ICE check, a cookie proves no more
		dtls.WithFlightInterval(100*time.Millisecond),
		dtls.WithLoggerFactory(logs),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, f := range fingerprints {
				if len(raw) > 0 && f.matches(raw[0]) {
					return nil
				}
			}
			return errFingerprint
		}))
	if err != nil {
		return nil, err
	}
	err = conn.HandshakeContext(ctx)
	if err == nil {
		keys, err = exportKeys(conn)
	}
	h.flight = h.wire.mute()
	if closeErr := conn.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	_ = h.wire.Close()
	return keys, err
}

// exportKeys takes the SRTP keys of a finished handshake: RFC 5764 §4.2 gives the order.
func exportKeys(conn *dtls.Conn) (*keying, error) {
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("the peer does not do SRTP")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("no state after the handshake")
	}
	k := &keying{gcm: profile == dtls.SRTP_AEAD_AES_128_GCM}
	salt := k.saltSize()
	raw, err := state.ExportKeyingMaterial(exporterLabel, nil, 2*(keySize+salt))
	if err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	copy(k.remoteKey[:], raw)
	copy(k.localKey[:], raw[keySize:])
	copy(k.remoteSalt[:salt], raw[2*keySize:])
	copy(k.localSalt[:salt], raw[2*keySize+salt:])
	return k, nil
}
