package tlsutil

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	filesRecheck = time.Second
	maxPEM       = 1 << 20 // bytes of a certificate chain or key
)

// filePair serves a certificate that somebody else renews.
type filePair struct {
	// fixed
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	// read by handshakes without a lock
	current atomic.Pointer[tls.Certificate]

	check struct {
		sync.Mutex
		last time.Time
		seen stamp // of the files as they were read last, whether they were good or not
	}
}

// stamp tells two versions of the two files apart. A missing file is nil.
type stamp struct{ cert, key os.FileInfo }

// equal compares identity, time, size and mode: a chmod that makes a refused key acceptable counts as a change,
// and a file that was replaced within one tick of the file system's clock is another file.
func (s stamp) equal(o stamp) bool {
	same := func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
	}
	return same(s.cert, o.cert) && same(s.key, o.key)
}

// openFiles reads the pair for the first time; here every fault is an error.
func openFiles(cfg Config) (*filePair, error) {
	f := &filePair{cert: cfg.Cert, key: cfg.Key, now: cfg.now, log: cfg.Log}
	f.check.last = f.now()
	f.check.seen = f.stamp()
	pair, err := ReadPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("certificate files: %w", err)
	}
	f.current.Store(pair)
	return f, nil
}

// get is tls.Config.GetCertificate. Once a second one handshake looks at the files; when they changed and
// are good they are served from now on, else the old pair stays. A changed pair is judged once: when the key
// arrives after the certificate, that is another change.
func (f *filePair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if f.check.TryLock() {
		if now := f.now(); now.Sub(f.check.last) >= filesRecheck {
			f.check.last = now
			if st := f.stamp(); !st.equal(f.check.seen) {
				f.check.seen = st
				f.reload()
			}
		}
		f.check.Unlock()
	}
	return f.current.Load(), nil
}

// reload reads the pair again. check must be held.
func (f *filePair) reload() {
	pair, err := ReadPair(f.cert, f.key)
	if err != nil {
		f.log.Warn("the changed certificate files cannot be used, the old ones stay", "err", err)
		return
	}
	f.current.Store(pair)
	f.log.Info("read the changed certificate files", "until", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
}

// stamp looks at the files.
func (f *filePair) stamp() (s stamp) {
	if st, err := os.Stat(f.cert); err == nil {
		s.cert = st
	}
	if st, err := os.Stat(f.key); err == nil {
		s.key = st
	}
	return s
}

// ReadPair reads a certificate chain and its key, both PEM. It fails with ErrShared when others can read the
// key, and when the two do not belong together.
func ReadPair(certFile, keyFile string) (*tls.Certificate, error) {
	st, err := os.Stat(certFile)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxPEM {
		return nil, fmt.Errorf("%s: longer than %d bytes", certFile, maxPEM)
	}
	chain, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := ReadPrivate(keyFile, maxPEM)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	if pair.Leaf == nil {
		return nil, errors.New("no leaf certificate")
	}
	return &pair, nil
}
