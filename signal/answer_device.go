package signal

import "time"

// Messages about displays, their people and groups.
type (
	// deviceMessage shows a display what is known of it.
	deviceMessage struct {
		head
		deviceState
	}
	deviceState struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Kept     bool           `json:"kept"` // it outlives this session
		Approval string         `json:"approval"`
		Sound    bool           `json:"sound"`
		Width    int            `json:"width"` // of the largest picture, in pixels; 0 for any
		Height   int            `json:"height"`
		ShowCode bool           `json:"show_code"`
		Off      offHours       `json:"off"`
		Allowed  []allowedState `json:"allowed"`
	}
	// allowedState is a caster that a display remembers.
	allowedState struct {
		ID    string    `json:"id"`
		Name  string    `json:"name"`
		Since time.Time `json:"since"`
	}
	soundMessage struct {
		head
		On bool `json:"on"`
	}
	identifyMessage struct {
		head
		Name   string `json:"name"`
		Within int64  `json:"within"` // milliseconds for which to show it
	}
	approveMessage struct {
		head
		Request  string       `json:"request"`
		Why      string       `json:"why"` // askCast or askGroup
		Caster   visitorState `json:"caster"`
		Remember bool         `json:"remember"` // it can be let in always
		Within   int64        `json:"within"`   // milliseconds to answer in
	}
	// visitorState is a caster as people at a display see it.
	visitorState struct {
		Name    string `json:"name"`
		Address string `json:"address"`
		Device  string `json:"device"`  // computer, phone, tablet, tv or ""
		Program string `json:"program"` // its browser, or ""
	}
	withdrawnMessage struct {
		head
		Request string `json:"request"`
	}
	askingMessage struct {
		head
		Request string       `json:"request"`
		Display string       `json:"display"` // its name
		Caster  visitorState `json:"caster"`  // what is shown there
		Within  int64        `json:"within"`  // milliseconds
	}
	// placeState is what a caster is told of a display in its cast.
	placeState struct {
		ID        string `json:"id"`
		Sound     bool   `json:"sound"` // the caster lets it play sound
		Muted     bool   `json:"muted"` // the display itself plays none
		Width     int    `json:"width"` // of the largest picture, in pixels; 0 for any
		Height    int    `json:"height"`
		Kept      bool   `json:"kept"`      // it can be in a group
		Remembers bool   `json:"remembers"` // it lets this caster in without asking
	}
	displaysMessage struct {
		head
		Displays []viewedState `json:"displays"`
	}
	viewedState struct {
		Peer      string  `json:"peer"`
		Width     int     `json:"width"`
		Height    int     `json:"height"`
		Loss      float64 `json:"loss"`       // 0 to 1
		RoundTrip int64   `json:"round_trip"` // milliseconds
		Path      string  `json:"path"`       // UDP or TCP
	}
	addedState struct {
		Peer string `json:"peer"`
		Name string `json:"name"`
	}
	addedGroupMessage struct {
		head
		Displays []addedState   `json:"displays"`
		Skipped  []skippedState `json:"skipped"`
	}
	skippedState struct {
		Name string `json:"name"`
		Why  string `json:"why"`
	}
	groupsMessage struct {
		head
		Groups []groupState `json:"groups"`
		Asked  int          `json:"asked,omitempty"` // displays that are asked whether they remember the caster
	}
	groupState struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Own      bool   `json:"own"` // made by this caster, else by an operator
		Displays int    `json:"displays"`
		Ready    int    `json:"ready"` // that could be bound now
	}
)

// state is what is known of a display.
func (d *device) state() deviceState {
	s := deviceState{
		ID: d.ID, Name: d.Name, Kept: d.kept, Approval: d.Approval, Sound: !d.Mute, Width: d.Width, Height: d.Height,
		ShowCode: d.ShowCode, Off: offHours{d.OffFrom, d.OffTo}, Allowed: make([]allowedState, 0, len(d.Allowed)),
	}
	for _, c := range d.Allowed {
		s.Allowed = append(s.Allowed, allowedState{c.ID, c.Name, c.Since})
	}
	return s
}
