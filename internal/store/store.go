package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	lockWait     = 5 * time.Second // the process before us may still be leaving
	defaultRetry = 5 * time.Second
	maxPending   = 30_000     // changes that wait to be written; above what the Hub keeps in all
	maxSize      = 256 << 20  // bytes of the file
	maxValue     = 64 << 10   // bytes of one record
	fileMode     = 0o600      // names of rooms and people's devices
	metaBucket   = "castcode" // holds the schema version
	versionKey   = "version"
)

// Errors of Open, Put and Delete, to be looked for with errors.Is.
var (
	ErrNewer   = errors.New("the file was written by a newer version")
	ErrInUse   = errors.New("another server holds the file")
	ErrDamaged = errors.New("the file is damaged")
	ErrFull    = errors.New("too many changes wait to be written")
	ErrClosed  = errors.New("the store is closed")
)

// Options of a store; Path is needed.
type Options struct {
	Path string
	Log  *slog.Logger  // nil: slog.Default()
	Wait time.Duration // for another process to let go of the file; 0: 5 s
	// Retry is how long after a failed write the next attempt comes. 0: 5 s.
	Retry time.Duration
}

// Store is an open file. All methods may be called from any goroutine, also under the caller's locks, except for
// Close, which waits.
type Store struct {
	// fixed
	db     *bbolt.DB
	log    *slog.Logger
	retry  time.Duration
	wake   chan struct{} // holds one value when something is pending
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the writer has ended
	ending sync.Once

	mu sync.Mutex
	// guarded by mu
	pending map[entry]json.RawMessage // nil value: delete
	waiting []func(error)
	status  Status // without Pending
	closed  bool
}

type entry struct {
	kind Kind
	key  string
}

// Status is a moment of a store.
type Status struct {
	Failing  error  // why the last write failed; nil while all is well
	Pending  int    // changes that are not on the disk
	Writes   uint64 // transactions that are on the disk
	Failures uint64 // transactions that failed
	Refused  uint64 // changes that found the queue full
}

// Open opens the file, makes it when there is none, and brings an older one to the present schema. Its errors name
// the path and the way out.
func Open(o Options) (*Store, error) { return open(o, steps) }

func open(o Options, steps []step) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Wait == 0 {
		o.Wait = lockWait
	}
	if o.Retry == 0 {
		o.Retry = defaultRetry
	}
	if st, err := os.Stat(o.Path); err == nil && st.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(o.Path, fileMode); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	db, err := openFile(o)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w%s", o.Path, err, hint(err))
	}
	if err := guarded(func() error { return prepare(db, steps) }); err != nil {
		_ = db.Close() // the other error says more
		return nil, fmt.Errorf("store: %s: %w%s", o.Path, err, hint(err))
	}
	s := &Store{
		db: db, log: o.Log, retry: o.Retry, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		pending: map[entry]json.RawMessage{},
	}
	go s.run()
	return s, nil
}

// openFile opens the file and looks through all of it, so that damage shows now and not in the middle of a day.
func openFile(o Options) (db *bbolt.DB, err error) {
	err = guarded(func() error {
		db, err = bbolt.Open(o.Path, fileMode, &bbolt.Options{Timeout: o.Wait, MaxSize: maxSize, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			return err
		}
		return db.View(func(tx *bbolt.Tx) error {
			var first error
			for fault := range tx.Check() {
				if first == nil {
					first = fmt.Errorf("%w: %w", ErrDamaged, fault)
				}
			}
			return first
		})
	})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrInUse
	case !errors.Is(err, ErrDamaged) && !ofSystem(err):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if db != nil {
		_ = guarded(db.Close) // it may be the damage that keeps it from closing
	}
	return nil, err
}

// ofSystem says whether err came from the operating system, and not from what the file holds.
func ofSystem(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number)
}

// guarded turns into an error what bbolt says by a panic: damage that it meets, and a read from its map that the disk
// refuses.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, fault)
		}
	}()
	return f()
}

func hint(err error) string {
	switch {
	case errors.Is(err, ErrNewer):
		return "\n  hint: start the newer version again, or move the file away to begin with an empty one"
	case errors.Is(err, ErrInUse):
		return "\n  hint: stop the other server, or give this one a data directory of its own with --data"
	case errors.Is(err, ErrDamaged):
		return "\n  hint: put a backup of the file in its place, or move it away to begin with an empty one"
	default:
		return ""
	}
}

// Load reads all that is kept. It is called before the first Put.
func (s *Store) Load() (displays []Display, groups []Group, err error) {
	err = guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if err := each(tx, Displays, func(d Display) { displays = append(displays, d) }); err != nil {
				return err
			}
			return each(tx, Groups, func(g Group) { groups = append(groups, g) })
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store: %s: %w%s", s.db.Path(), err, hint(ErrDamaged))
	}
	return displays, groups, nil
}

func each[R Record](tx *bbolt.Tx, kind Kind, take func(R)) error {
	return tx.Bucket([]byte(kind)).ForEach(func(key, value []byte) error {
		var r R
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("%s %q: %w", kind, key, err)
		}
		take(r)
		return nil
	})
}
