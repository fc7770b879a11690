package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"go.etcd.io/bbolt"
)

// Put has records written. The error says that they never will be (ErrFull, ErrClosed, or a record that is too large),
// and kept is not called then. Else kept, if not nil, is called once from the store's goroutine: with nil when they are on
// the disk, or with the reason why they are not yet; they stay in the queue then and are tried again. It must not block,
// and must not call Close.
func (s *Store) Put(kept func(error), records ...Record) error {
	changes := make(map[entry]json.RawMessage, len(records))
	for _, r := range records {
		value, err := json.Marshal(r)
		if err == nil && len(value) > maxValue {
			err = fmt.Errorf("store: a record of %d bytes", len(value))
		}
		if err != nil {
			s.mu.Lock()
			s.status.Refused += uint64(len(records))
			s.mu.Unlock()
			return err
		}
		kind, key := r.Entry()
		changes[entry{kind, key}] = value
	}
	return s.queue(kept, changes)
}

// Delete has a record taken out, as Put has one written. A record that is not there is no error.
func (s *Store) Delete(kept func(error), kind Kind, key string) error {
	return s.queue(kept, map[entry]json.RawMessage{{kind, key}: nil})
}

func (s *Store) queue(kept func(error), changes map[entry]json.RawMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch {
	case s.closed:
		err = ErrClosed
	case len(s.pending)+len(changes) > maxPending || len(s.waiting) >= maxPending:
		err = ErrFull
	}
	if err != nil {
		s.status.Refused += uint64(len(changes))
		return err
	}
	maps.Copy(s.pending, changes)
	if kept != nil {
		s.waiting = append(s.waiting, kept)
	}
	select {
	case s.wake <- struct{}{}:
	default: // the writer knows
	}
	return nil
}

// Status reads how the store is.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.status
	now.Pending = len(s.pending)
	return now
}

// Close writes what is pending, lets go of the file and waits for the writer. The error says what could not be
// written. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var err error
	s.ending.Do(func() {
		close(s.quit)
		<-s.done
		if left := s.Status(); left.Pending > 0 {
			err = fmt.Errorf("store: %d changes are lost: %w", left.Pending, left.Failing)
		}
		if closing := guarded(s.db.Close); closing != nil && err == nil {
			err = fmt.Errorf("store: %w", closing)
		}
	})
	return err
}

// run is the writer.
func (s *Store) run() {
	defer close(s.done)
	var again <-chan time.Time // runs while the disk does not take what is pending
	for {
		select {
		case <-s.quit:
			_ = s.flush() // Close reads what became of it
			return
		case <-again:
			again = nil
		case <-s.wake:
			if again != nil {
				s.disappoint()
				continue
			}
		}
		if s.flush() != nil {
			again = time.After(s.retry)
		}
	}
}

// disappoint tells those who wait that the disk does not take it, without another attempt.
func (s *Store) disappoint() {
	s.mu.Lock()
	waiting, err := s.waiting, s.status.Failing
	s.waiting = nil
	s.mu.Unlock()
	for _, kept := range waiting {
		kept(err)
	}
}

// flush writes all that is pending in one transaction.
func (s *Store) flush() error {
	s.mu.Lock()
	batch, waiting := s.pending, s.waiting
	s.pending, s.waiting = map[entry]json.RawMessage{}, nil
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := guarded(func() error { return s.db.Update(func(tx *bbolt.Tx) error { return apply(tx, batch) }) })
	s.mu.Lock()
	before := s.status.Failing
	s.status.Failing = err
	if err != nil {
		s.status.Failures++
		for e, value := range batch {
			if _, newer := s.pending[e]; !newer {
				s.pending[e] = value
			}
		}
	} else {
		s.status.Writes++
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("store: cannot write; what changes now is lost if the server stops before it can", "file", s.db.Path(), "error", err)
	case err == nil && before != nil:
		s.log.Info("store: writes again, nothing was lost", "file", s.db.Path())
	}
	for _, kept := range waiting {
		kept(err)
	}
	return err
}

func apply(tx *bbolt.Tx, batch map[entry]json.RawMessage) error {
	for e, value := range batch {
		bucket := tx.Bucket([]byte(e.kind))
		if value == nil {
			if err := bucket.Delete([]byte(e.key)); err != nil {
				return err
			}
			continue
		}
		if err := bucket.Put([]byte(e.key), value); err != nil {
			return err
		}
	}
	return nil
}
