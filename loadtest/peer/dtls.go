package peer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	dtlselliptic "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/srtp/v2"
)

// keying are the two directions of SRTP.
type keying struct {
	in, out *srtp.Context
}

// profiles in the order of what opening costs.
var profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}

const exporterLabel = "EXTRACTOR-dtls_srtp" // RFC 5764 section 4.2

// wire is the transport of a handshake: datagrams come in by give, go out by send. After mute nothing goes out any more,
// and what went out last is kept.
type wire struct {
	send func([]byte)
	in   chan []byte

	mu     sync.Mutex
	muted  bool          // guarded by mu, as is all
	last   [][]byte      // what was sent since the last datagram came
	until  time.Time     // read deadline
	change chan struct{} // closed when it changes
	closed bool
}

func newWire(send func([]byte)) *wire {
	return &wire{send: send, in: make(chan []byte, 32), change: make(chan struct{})}
}

// give hands over a datagram, which is copied. When too many wait it is dropped: DTLS sends again.
func (w *wire) give(p []byte) {
	select {
	case w.in <- slices.Clone(p):
	default:
	}
}

// ReadFrom is net.PacketConn's.
func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		w.mu.Lock()
		until, change, closed := w.until, w.change, w.closed
		w.mu.Unlock()
		if closed {
			return 0, nil, net.ErrClosed
		}
		var late <-chan time.Time
		if !until.IsZero() {
			timer := time.NewTimer(time.Until(until))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case b := <-w.in:
			w.mu.Lock()
			if !w.muted {
				w.last = nil
			}
			w.mu.Unlock()
			return copy(p, b), &net.UDPAddr{}, nil
		case <-late:
			return 0, nil, os.ErrDeadlineExceeded
		case <-change:
		}
	}
}

// WriteTo is net.PacketConn's.
func (w *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	w.mu.Lock()
	muted := w.muted
	if !muted {
		w.last = append(w.last, slices.Clone(p))
	}
	w.mu.Unlock()
	if !muted {
		w.send(p)
	}
	return len(p), nil
}

// mute lets nothing out from now on, and returns the last flight.
func (w *wire) mute() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muted = true
	return w.last
}

// Close is net.PacketConn's.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.change)
		w.change = make(chan struct{})
	}
	return nil
}

// LocalAddr is net.PacketConn's.
func (w *wire) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline is net.PacketConn's.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetReadDeadline is net.PacketConn's.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = t
	if !w.closed {
		close(w.change)
		w.change = make(chan struct{})
	}
	return nil
}

// SetWriteDeadline is net.PacketConn's.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// handshake shakes hands over w, as server where the far end is the client, takes the keys and lets the connection go:
// media needs nothing more of it. flight is what the far end may want to hear again. Whatever its bytes do to the
// library ends this handshake only.
func handshake(ctx context.Context, w *wire, id *Identity, a *answer) (keys *keying, flight [][]byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			keys, err = nil, fmt.Errorf("the handshake panicked: %v", r)
		}
	}()
	verify := func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) > 0 && slices.ContainsFunc(a.fingerprints, func(f fingerprint) bool { return f.matches(raw[0]) }) {
			return nil
		}
		return errors.New("the server's certificate is not that of its answer")
	}
	curves := []dtlselliptic.Curve{dtlselliptic.P256, dtlselliptic.X25519, dtlselliptic.P384}
	var conn *dtls.Conn
	if a.active {
		conn, err = dtls.ServerWithOptions(w, &net.UDPAddr{},
			dtls.WithCertificates(id.certificate), dtls.WithSRTPProtectionProfiles(profiles...), dtls.WithEllipticCurves(curves...),
			dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithInsecureSkipVerifyHello(true), dtls.WithFlightInterval(100*time.Millisecond), dtls.WithVerifyPeerCertificate(verify))
	} else {
		conn, err = dtls.ClientWithOptions(w, &net.UDPAddr{},
			dtls.WithCertificates(id.certificate), dtls.WithSRTPProtectionProfiles(profiles...), dtls.WithEllipticCurves(curves...),
			dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret), dtls.WithInsecureSkipVerify(true),
			dtls.WithFlightInterval(100*time.Millisecond), dtls.WithVerifyPeerCertificate(verify))
	}
	if err != nil {
		return nil, nil, err
	}
	if err = conn.HandshakeContext(ctx); err == nil {
		keys, err = exportKeys(conn, !a.active)
	}
	flight = w.mute()
	_ = conn.Close() // it is muted: the far end hears nothing of it
	_ = w.Close()
	return keys, flight, err
}

// exportKeys takes the SRTP keys: RFC 5764 section 4.2 gives the order.
func exportKeys(conn *dtls.Conn, client bool) (*keying, error) {
	selected, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("the server does not do SRTP")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("no state after the handshake")
	}
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	if selected == dtls.SRTP_AEAD_AES_128_GCM {
		profile = srtp.ProtectionProfileAeadAes128Gcm
	}
	key, err := profile.KeyLen()
	salt, err2 := profile.SaltLen()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	raw, err := state.ExportKeyingMaterial(exporterLabel, nil, 2*(key+salt))
	if err != nil {
		return nil, fmt.Errorf("SRTP keys: %w", err)
	}
	keys, salts := [2][]byte{raw[:key], raw[key : 2*key]}, [2][]byte{raw[2*key : 2*key+salt], raw[2*key+salt:]}
	in, out := 1, 0 // what the server writes is what a client reads
	if !client {
		in, out = 0, 1
	}
	k := &keying{}
	if k.in, err = srtp.CreateContext(keys[in], salts[in], profile); err != nil {
		return nil, err
	}
	k.out, err = srtp.CreateContext(keys[out], salts[out], profile)
	return k, err
}
