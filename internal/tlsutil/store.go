package tlsutil

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	keySize   = 32               // bytes of the server key and of the TURN secret before hex
	maxSecret = 64 << 10         // bytes; no file of ours comes near
	lockWait  = 10 * time.Second // another process writes a few small files; longer means that it hangs
	lockRetry = 20 * time.Millisecond
)

// Store is the data directory's part that must survive restarts. All methods may be called from any goroutine.
type Store struct {
	// fixed
	dir     string
	secrets string
	log     *slog.Logger
	key     []byte
	turn    []byte
}

// OpenStore opens the data directory and makes what is missing: the directories (0700), the server key and the
// TURN secret (0600). Leftovers of an interrupted start are removed; an empty or damaged secret is put aside
// and made anew, with a warning in log that says what that costs. A secret that group or others can read is
// refused with an error that wraps ErrShared. Errors name the path and, where there is one, the way out.
func OpenStore(dir string, log *slog.Logger) (*Store, error) {
	s := &Store{dir: dir, secrets: filepath.Join(dir, "secrets"), log: log}
	if err := os.MkdirAll(s.secrets, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	st, err := os.Stat(s.secrets)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		// The directory holds nothing by itself; what lies in it is checked file by file.
		if err := os.Chmod(s.secrets, 0o700); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	err = s.locked(func() error {
		for _, d := range []string{s.dir, s.secrets} {
			if err := removeLeftovers(d); err != nil {
				return err
			}
		}
		if s.key, err = s.secret("server.key", "everybody has to enter a code again"); err != nil {
			return err
		}
		text, err := s.secret("turn.secret", "TURN credentials that were handed out are void")
		s.turn = []byte(hex.EncodeToString(text))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return s, nil
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// Key returns a copy of the server key, 32 random bytes. Derive from it (HKDF), do not use it for two things.
func (s *Store) Key() []byte { return bytes.Clone(s.key) }

// TURNSecret returns a copy of the shared secret for TURN's REST credentials: printable text, so that the same
// secret can stand in the configuration of another TURN server.
func (s *Store) TURNSecret() []byte { return bytes.Clone(s.turn) }

// secret reads 32 bytes in hex from the named file or makes them; cost is what a person loses when a damaged
// one is replaced. The lock must be held.
func (s *Store) secret(name, cost string) ([]byte, error) {
	path := filepath.Join(s.secrets, name)
	data, err := readOwn(path)
	if err == nil {
		key, derr := hex.DecodeString(string(bytes.TrimSpace(data)))
		if derr == nil && len(key) == keySize {
			return key, nil
		}
		err = s.putAside(path, cost)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	return key, writeAtomic(path, []byte(hex.EncodeToString(key)+"\n"), 0o600)
}

// readOwn is ReadPrivate for a file of ours, with the way out of a shared one.
func readOwn(path string) ([]byte, error) {
	data, err := ReadPrivate(path, maxSecret)
	if errors.Is(err, ErrShared) {
		return nil, fmt.Errorf("%w; if nobody else has read it: chmod 600 %s, otherwise remove it", err, path)
	}
	return data, err
}

// putAside renames a file that cannot be read to NAME.damaged, so that a person can look at it.
func (s *Store) putAside(path, cost string) error {
	s.log.Warn("a file in the data directory is damaged and is made anew",
		"file", path, "kept_as", path+".damaged", "means", cost)
	return os.Rename(path, path+".damaged")
}

// locked runs f while no other process writes to the data directory.
func (s *Store) locked(f func() error) error {
	path := filepath.Join(s.secrets, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // closing releases the lock; nothing was written
	for deadline := time.Now().Add(lockWait); ; {
		ok, err := tryLock(file)
		if err != nil {
			return fmt.Errorf("lock %s: %w", path, err)
		}
		if ok {
			return f()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another process has held %s for %v: stop it, or use another data directory", path, lockWait)
		}
		time.Sleep(lockRetry)
	}
}
