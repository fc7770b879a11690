// Package logging sets up log/slog for the server, keeps secrets out of it, and lets pion write into it.
//
// Rules for everybody who logs: nothing per packet; no code, token, password, ufrag or SDP at any level. Secret
// and the attribute filter of Open are nets under that rule, not a licence.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// Options of Open.
type Options struct {
	// Level is the lowest level that is written.
	Level slog.Level
	// File is appended to instead of Stderr; it then holds JSON. Made with mode 0640.
	File string
	// Stderr gets the log when File is empty: text when Terminal is set, else JSON lines for a collector.
	Stderr   io.Writer
	Terminal bool
}

// Log is the root logger and what it writes to. Its methods may be called from any goroutine.
type Log struct {
	*slog.Logger
	file *logFile // nil: Stderr
}

// Open sets up the log. It fails when the log file cannot be opened.
func Open(o Options) (*Log, error) {
	options := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: filter}
	if o.File != "" {
		file := &logFile{path: o.File}
		if err := file.reopen(); err != nil {
			return nil, fmt.Errorf("log file: %w", err)
		}
		return &Log{slog.New(slog.NewJSONHandler(file, options)), file}, nil
	}
	if o.Terminal {
		return &Log{slog.New(slog.NewTextHandler(o.Stderr, options)), nil}, nil
	}
	return &Log{slog.New(slog.NewJSONHandler(o.Stderr, options)), nil}, nil
}

// Reopen opens the log file again under its name, after logrotate has moved it away. On an error the old file
// stays in use. Without a log file it does nothing.
func (l *Log) Reopen() error {
	if l.file == nil {
		return nil
	}
	return l.file.reopen()
}

// Close closes the log file. What is logged later is lost.
func (l *Log) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.close()
}

// logFile is a file that can be replaced between two writes.
type logFile struct {
	path string

	mu sync.Mutex
	f  *os.File
}

func (w *logFile) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return 0, os.ErrClosed
	}
	return w.f.Write(p)
}

func (w *logFile) reopen() error {
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	w.mu.Lock()
	old := w.f
	w.f = f
	w.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

func (w *logFile) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	return err
}

// secretKeys are attribute names whose values are never written.
var secretKeys = map[string]bool{
	"answer": true, "authorization": true, "cookie": true, "credential": true, "key": true, "offer": true,
	"passwd": true, "password": true, "pwd": true, "resume": true, "sdp": true, "secret": true, "ticket": true,
	"token": true, "ufrag": true,
}

// filter is slog's ReplaceAttr: it hides attributes that are named like a secret, and values of "code" that
// have the form of a cast code (an error code such as code_unknown may pass).
func filter(_ []string, a slog.Attr) slog.Attr {
	key := strings.ToLower(a.Key)
	if secretKeys[key] || key == "code" && digits(a.Value.String()) >= 6 {
		a.Value = slog.StringValue(redacted)
	}
	return a
}

// digits counts the decimal digits of s.
func digits(s string) int {
	n := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}
