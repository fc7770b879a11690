package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// step brings a file from one schema version to the next. It reads and writes the JSON of the records as it was then,
// never the types of today.
type step func(tx *bbolt.Tx) error

// steps are the ways from version 1 to 2, from 2 to 3 and so on; the present version is one more than there are steps.
// Version 1: buckets "displays" and "groups".
var steps []step

// prepare makes the buckets of a new file, or brings an older file forward, all or nothing.
func prepare(db *bbolt.DB, steps []step) error {
	present := 1 + len(steps)
	found := 0
	err := db.View(func(tx *bbolt.Tx) error {
		var err error
		found, err = version(tx)
		return err
	})
	switch {
	case err != nil:
		return err
	case found == present:
		return nil // nothing is written, so that a full disk keeps nobody from starting
	case found > present:
		return fmt.Errorf("%w: it has schema %d, this one knows %d", ErrNewer, found, present)
	}
	return db.Update(func(tx *bbolt.Tx) error {
		if found == 0 {
			for _, kind := range kinds {
				if _, err := tx.CreateBucketIfNotExists([]byte(kind)); err != nil {
					return err
				}
			}
		} else {
			for _, s := range steps[found-1:] {
				if err := s(tx); err != nil {
					return err
				}
			}
		}
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return err
		}
		return meta.Put([]byte(versionKey), []byte(strconv.Itoa(present)))
	})
}

// version is the schema of the file, 0 for a new one.
func version(tx *bbolt.Tx) (int, error) {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		if first, _ := tx.Cursor().First(); first != nil {
			return 0, fmt.Errorf("%w: it is no store of castcode", ErrDamaged)
		}
		return 0, nil
	}
	text := string(meta.Get([]byte(versionKey)))
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: schema %q", ErrDamaged, text)
	}
	return n, nil
}
