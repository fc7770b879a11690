package logging

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that prints as [redacted] with every verb of fmt, in slog, JSON, YAML and XML. Mind that fmt
// cannot call methods on unexported struct fields: keep Secrets in exported ones.
type Secret string

// Reveal returns the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// Format implements fmt.Formatter, because verbs such as %d would go past String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and XML use.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
