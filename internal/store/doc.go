// Package store keeps in one file what must outlive the process: displays with their names, settings and remembered
// casters, and groups of displays. It knows records, not what they mean; who may change them is the Hub's matter.
//
// Everything is read once, by Load. From then on the owner holds the truth in memory, and Put only tells the file: it
// never waits. What is put lies in a queue by kind and key, so that a record which changes ten times is written once,
// until the store's one goroutine writes all of it in one transaction with one fsync. Whoever has to know that a change
// is kept gets a call when the transaction is on the disk, or has failed.
//
// A write that fails (a full disk) loses nothing: what was to be written stays in the queue, the next attempt comes
// after Options.Retry, and Status says what is wrong meanwhile. Close makes one last attempt.
//
// The file has a schema version. Older ones are brought forward step by step inside one transaction, a newer one is
// refused. One process holds the file at a time.
package store
