package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	switch os.Getenv("CASTCODE_STORE_CHILD") {
	case "write":
		writeForEver()
	case "full":
		fillDisk()
	default:
		goleak.VerifyTestMain(m)
	}
}

func reopen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path, Log: slog.New(slog.DiscardHandler), Wait: time.Second, Retry: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// keep puts and waits.
func keep(t *testing.T, s *Store, records ...Record) {
	t.Helper()
	kept := make(chan error, 1)
	if err := s.Put(func(err error) { kept <- err }, records...); err != nil {
		t.Fatal(err)
	}
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *Store) (map[string]Display, map[string]Group) {
	t.Helper()
	list, groups, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	byID, byGroup := map[string]Display{}, map[string]Group{}
	for _, d := range list {
		byID[d.ID] = d
	}
	for _, g := range groups {
		byGroup[g.ID] = g
	}
	return byID, byGroup
}

var when = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

func hall() Display {
	return Display{
		ID: "d_hall", Key: []byte("key"), Name: "Hall 1", Named: true, Bound: true, Created: when, Seen: when, Approval: "unknown",
		Mute: true, Width: 1920, Height: 1080, ShowCode: true, OffFrom: "20:00", OffTo: "07:30",
		Allowed: []Caster{{ID: "c_1", Key: []byte("caster"), Name: "Lin", Since: when}},
	}
}

func TestWhatIsPutComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := reopen(t, path)
	group := Group{ID: "g_1", Name: "Halls", Owner: []byte("caster"), Displays: []string{"d_hall"}, Used: when}
	keep(t, s, hall(), group, Display{ID: "d_gone"})
	deleted := make(chan error, 1)
	if err := s.Delete(func(err error) { deleted <- err }, Displays, "d_gone"); err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if err := s.Put(nil, Display{ID: "d_late", Name: "left to Close"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(nil, hall()); !errors.Is(err, ErrClosed) {
		t.Errorf("put after Close: %v", err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	displays, groups := load(t, reopen(t, path))
	want, _ := json.Marshal([]any{hall(), group})
	got, _ := json.Marshal([]any{displays["d_hall"], groups["g_1"]})
	if !bytes.Equal(want, got) || len(displays) != 2 || len(groups) != 1 || displays["d_late"].Name != "left to Close" {
		t.Errorf("got %s of %v, want %s", got, displays, want)
	}
}

// A record that changes often is written as it was last, and all in one transaction where they come together.
func TestNewestWins(t *testing.T) {
	s := reopen(t, filepath.Join(t.TempDir(), "state.db"))
	const changes = 2000
	for n := range changes {
		if err := s.Put(nil, Display{ID: "d", Name: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, s, Display{ID: "e"})
	displays, _ := load(t, s)
	if got := displays["d"].Name; got != fmt.Sprint(changes-1) {
		t.Errorf("name %s", got)
	}
	if st := s.Status(); st.Writes >= changes || st.Pending != 0 || st.Failing != nil {
		t.Errorf("status %+v", st)
	}
}

func TestRefusals(t *testing.T) {
	s := reopen(t, filepath.Join(t.TempDir(), "state.db"))
	called := func(error) { t.Error("kept was called") }
	if err := s.Put(called, Display{ID: "d", Name: strings.Repeat("x", maxValue)}); err == nil {
		t.Error("a record without bounds")
	}
	many := make([]Record, maxPending+1)
	for i := range many {
		many[i] = Display{ID: fmt.Sprint(i)}
	}
	if err := s.Put(called, many...); !errors.Is(err, ErrFull) {
		t.Errorf("a queue without bounds: %v", err)
	}
	if st := s.Status(); st.Refused != maxPending+2 {
		t.Errorf("status %+v", st)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := reopen(t, path)
	_, err := Open(Options{Path: path, Wait: 50 * time.Millisecond})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "--data") {
		t.Fatalf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, path)
}

// testdata/v1.db was written by the first version, by the test below, and stays as it is.
func TestVersionOne(t *testing.T) {
	path := copyOf(t, "testdata/v1.db")
	displays, groups := load(t, reopen(t, path))
	d, g := displays["d_hall"], groups["g_1"]
	if d.Name != "Hall 1" || !d.Named || d.Width != 1920 || len(d.Allowed) != 1 || string(d.Allowed[0].Key) != "caster" || !d.Seen.Equal(when) {
		t.Errorf("display %+v", d)
	}
	if g.Name != "Halls" || len(g.Displays) != 1 {
		t.Errorf("group %+v", g)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
}

func copyOf(t *testing.T, from string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // Open has to narrow it
		t.Fatal(err)
	}
	return path
}

// Steps run once and in order, all or nothing; the file of a newer version is refused and stays as it is.
func TestSteps(t *testing.T) {
	path := copyOf(t, "testdata/v1.db")
	rename := func(from, to string) step {
		return func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(Displays))
			return b.Put([]byte("d_hall"), bytes.ReplaceAll(b.Get([]byte("d_hall")), []byte(from), []byte(to)))
		}
	}
	failing := func(*bbolt.Tx) error { return errors.New("no way on") }
	if _, err := open(Options{Path: path, Wait: time.Second}, []step{rename("Hall 1", "two"), failing}); err == nil || !strings.Contains(err.Error(), "no way on") {
		t.Fatalf("got %v", err)
	}
	for range 2 {
		s, err := open(Options{Path: path, Wait: time.Second}, []step{rename("Hall 1", "two"), rename("two", "three")})
		if err != nil {
			t.Fatal(err)
		}
		displays, _ := load(t, s)
		if got := displays["d_hall"].Name; got != "three" {
			t.Fatalf("name %q", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := os.ReadFile(path)
	_, err := Open(Options{Path: path, Wait: time.Second})
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "hint:") {
		t.Fatalf("got %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the refused file was changed")
	}
}

// Damage is told, whatever it is, and never a panic.
func TestDamage(t *testing.T) {
	whole, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for name, spoil := range map[string]func([]byte) []byte{
		"text":      func([]byte) []byte { return []byte(strings.Repeat("no store", 2000)) },
		"short":     func(b []byte) []byte { return b[:page+page/2] },
		"both ends": func(b []byte) []byte { clear(b[:2*page]); return b },
		"pages": func(b []byte) []byte {
			for i := 2 * page; i < len(b); i++ {
				b[i] ^= 0xa5
			}
			return b
		},
		"record": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"name":`), []byte(`"name"!`)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			if err := os.WriteFile(path, spoil(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{Path: path, Wait: time.Second})
			if err == nil {
				_, _, err = s.Load()
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "hint:") {
				t.Errorf("got %v", err)
			}
		})
	}
}
