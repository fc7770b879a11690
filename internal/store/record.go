package store

import "time"

// Kind is a sort of record; it names the bucket in the file.
type Kind string

// The kinds of records.
const (
	Displays Kind = "displays"
	Groups   Kind = "groups"
)

var kinds = []Kind{Displays, Groups}

// Record is something that is kept. Its JSON form is what the file holds.
type Record interface {
	// Entry is where it lies: a key is not empty and unique within its kind.
	Entry() (kind Kind, key string)
}

// Display is a display that proved a device key.
type Display struct {
	ID      string    `json:"id"`
	Key     []byte    `json:"key"` // SHA-256 of the device key
	Name    string    `json:"name"`
	Named   bool      `json:"named,omitempty"` // a person has chosen the name, here or in a list
	Bound   bool      `json:"bound,omitempty"` // it has shown a cast
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"` // when it came or went last

	// Approval says which casters are asked for on the display: never, unknown or always.
	Approval string `json:"approval"`
	Mute     bool   `json:"mute,omitempty"` // it plays no sound, whatever a caster says
	// Width and Height are the largest picture that is sent to it, in pixels; 0 for any.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// ShowCode lets the next code stand in a corner while something is cast.
	ShowCode bool `json:"show_code,omitempty"`
	// OffFrom and OffTo are the hours in which the screen is dark, as HH:MM by the display's own clock; "" for none.
	OffFrom string `json:"off_from,omitempty"`
	OffTo   string `json:"off_to,omitempty"`

	// Allowed are the casters that it remembers, oldest first.
	Allowed []Caster `json:"allowed,omitempty"`
}

// Entry implements Record.
func (d Display) Entry() (Kind, string) { return Displays, d.ID }

// Caster is a caster that a display remembers.
type Caster struct {
	ID    string    `json:"id"`  // shown in lists; grants nothing
	Key   []byte    `json:"key"` // SHA-256 of the caster's device key
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// Group is a set of displays that are cast to together.
type Group struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Owner    []byte    `json:"owner,omitempty"` // SHA-256 of the device key of the caster that made it; empty: an operator
	Displays []string  `json:"displays"`        // their ids
	Used     time.Time `json:"used"`            // made or cast to
}

// Entry implements Record.
func (g Group) Entry() (Kind, string) { return Groups, g.ID }
