package signal

import (
	"encoding/json"
	"unicode/utf8"
)

// Sizes of what a client may send. A frame that is longer than maxFrame ends the socket; the others are
// bad_message.
const (
	maxFrame   = 64 << 10
	maxOffer   = 60 << 10
	maxSlots   = 8
	maxMid     = 64 // browsers use one digit; 16 is what a one-byte header extension carries (RFC 8285 section 4.2)
	maxPeer    = 64
	maxRequest = 1<<53 - 1 // what a JavaScript number holds exactly
)

// state says what a session may do, as bits so that a verb can name several.
type state uint8

const (
	stateNew state = 1 << iota
	stateIdle
	stateDisplay // shows a code
	stateBound   // a display in a room
	stateCaster
	stateViewer
	stateAsking  // waits for a display's answer to its create
	stateWaiting // in the lobby of a room

	stateAny = stateIdle | stateDisplay | stateBound | stateCaster | stateViewer | stateAsking | stateWaiting
)

// request is a decoded message of a client. check says what is wrong with its fields beyond their kinds, or "".
type request interface{ check() string }

// verb is a type of message: where it is legal and what it decodes into.
type verb struct {
	legal state
	fresh func() request
}

var verbs = map[string]verb{
	"hello":     {stateNew, func() request { return new(helloRequest) }},
	"ping":      {stateAny, func() request { return new(pingRequest) }},
	"ice":       {stateAny, func() request { return new(iceRequest) }},
	"open":      {stateIdle, func() request { return new(openRequest) }},
	"look":      {stateIdle | stateCaster, func() request { return new(lookRequest) }},
	"create":    {stateIdle, func() request { return new(createRequest) }},
	"publish":   {stateCaster, func() request { return new(publishRequest) }},
	"unpublish": {stateCaster, func() request { return new(unpublishRequest) }},
	"status":    {stateCaster, func() request { return new(statusRequest) }},
	"add":       {stateCaster, func() request { return new(addRequest) }},
	"remove":    {stateCaster, func() request { return new(removeRequest) }},
	"settings":  {stateCaster, func() request { return new(settingsRequest) }},
	"rotate":    {stateCaster, func() request { return new(rotateRequest) }},
	"admit":     {stateCaster, func() request { return new(admitRequest) }},
	"end":       {stateCaster, func() request { return new(endRequest) }},
	"join":      {stateIdle, func() request { return new(joinRequest) }},
	"watch":     {stateViewer | stateBound, func() request { return new(watchRequest) }},
	"restart":   {stateCaster | stateViewer | stateBound, func() request { return new(restartRequest) }},
	"configure": {stateDisplay | stateBound, func() request { return new(configureRequest) }},
	"decide":    {stateDisplay | stateBound, func() request { return new(decideRequest) }},
	"forget":    {stateDisplay | stateBound, func() request { return new(forgetRequest) }},
	"cancel":    {stateAsking | stateCaster, func() request { return new(cancelRequest) }},
	"display":   {stateCaster, func() request { return new(displayRequest) }},
	"group":     {stateCaster, func() request { return new(groupRequest) }},
	"ungroup":   {stateCaster, func() request { return new(ungroupRequest) }},
	"groups":    {stateCaster, func() request { return new(groupsRequest) }},
	"leave":     {stateDisplay | stateBound | stateViewer | stateWaiting, func() request { return new(leaveRequest) }},
}

// The fields of the requests, under their names in lower case.
type (
	helloRequest struct {
		Version int
		Name    string
		Resume  string
	}
	pingRequest struct{}
	iceRequest  struct{}
	openRequest struct {
		tokenRequest
		Ticket string
		Seat   string
		Name   string
		Key    string
	}
	lookRequest   struct{ Code string }
	createRequest struct {
		tokenRequest
		Code   string
		Ticket string
		Room   string
		Key    string
	}
	publishRequest struct {
		Offer string
		Slots map[string]string
	}
	statusRequest    struct{ Frozen *bool }
	addRequest       struct{ Code, Group string }
	removeRequest    struct{ Peer string }
	endRequest       struct{}
	unpublishRequest struct{}
	joinRequest      struct {
		tokenRequest
		Code   string
		Link   string
		Ticket string
		Room   string
		PIN    string
		Offer  string
		Slots  map[string]string
	}
	watchRequest struct {
		Offer string
		Slots map[string]string
	}
	restartRequest struct{ Offer string }
	leaveRequest   struct{}

	configureRequest struct{ deviceChange }
	decideRequest    struct {
		Request string
		Allow   *bool
		Always  bool
	}
	forgetRequest  struct{ Caster string }
	cancelRequest  struct{}
	displayRequest struct {
		Peer          string
		Sound         *bool
		Width, Height *int
		Identify      bool
		Name          *string
	}
	groupRequest   struct{ Name string }
	ungroupRequest struct{ Group string }
	groupsRequest  struct{}
)

func (*pingRequest) check() string      { return "" }
func (*iceRequest) check() string       { return "" }
func (*endRequest) check() string       { return "" }
func (*unpublishRequest) check() string { return "" }
func (*leaveRequest) check() string     { return "" }
func (*lookRequest) check() string      { return "" } // an empty code is code_format, like any other that is no code
func (*cancelRequest) check() string    { return "" }
func (*groupsRequest) check() string    { return "" }

func (m *addRequest) check() string {
	if len(m.Group) > maxPeer || m.Group != "" && m.Code != "" {
		return "either code or group is needed"
	}
	return ""
}

func (m *decideRequest) check() string {
	if m.Request == "" || len(m.Request) > maxPeer || m.Allow == nil {
		return "request or allow is missing"
	}
	return ""
}

func (m *forgetRequest) check() string { return checkID(m.Caster) }

func (m *ungroupRequest) check() string { return checkID(m.Group) }

func (m *groupRequest) check() string {
	if why := checkName(&m.Name); why != "" {
		return why
	}
	if m.Name == "" {
		return "name is missing"
	}
	return ""
}

func (m *displayRequest) check() string {
	if len(m.Peer) > maxPeer {
		return "peer is too long"
	}
	if m.Name != nil {
		if m.Peer == "" {
			return "a name is for one display"
		}
		if why := checkName(m.Name); why != "" {
			return why
		}
	}
	return checkSize(m.Width, m.Height)
}

func checkID(id string) string {
	if id == "" || len(id) > maxPeer {
		return "id is missing or too long"
	}
	return ""
}

func (m *helloRequest) check() string {
	if len(m.Resume) > maxTicket {
		return "resume is too long"
	}
	return checkName(&m.Name)
}

func (m *openRequest) check() string {
	if len(m.Ticket) > maxTicket || len(m.Seat) > maxTicket {
		return "ticket is too long"
	}
	if m.Ticket != "" && m.Token != "" {
		return "either ticket or token, not both"
	}
	if why := checkKey(m.Key); why != "" {
		return why
	}
	return checkName(&m.Name)
}

func (m *createRequest) check() string {
	if len(m.Ticket) > maxTicket {
		return "ticket is too long"
	}
	if m.Token != "" && (m.Ticket != "" || m.Room != "") {
		return "a token says which room; neither ticket nor room goes with it"
	}
	if why := checkKey(m.Key); why != "" {
		return why
	}
	return checkName(&m.Room)
}

func (m *statusRequest) check() string {
	if m.Frozen == nil {
		return "frozen is missing"
	}
	return ""
}

func (m *removeRequest) check() string {
	if m.Peer == "" || len(m.Peer) > maxPeer {
		return "peer is missing or too long"
	}
	return ""
}

func (m *joinRequest) check() string {
	if len(m.Ticket) > maxTicket || len(m.Link) > maxLink {
		return "ticket or link is too long"
	}
	if m.PIN != "" {
		pin, ok := normalisePIN(m.PIN)
		if !ok {
			return "a PIN has 4 to 8 digits"
		}
		m.PIN = pin
	}
	if why := checkName(&m.Room); why != "" {
		return why
	}
	given := 0
	for _, way := range []string{m.Code, m.Link, m.Ticket, m.Room, m.Token} {
		if way != "" {
			given++
		}
	}
	if given != 1 {
		return "exactly one of code, link, ticket, token and room is needed"
	}
	if m.Offer != "" || m.Slots != nil {
		return checkOffer(m.Offer, m.Slots)
	}
	return ""
}

func (m *publishRequest) check() string { return checkOffer(m.Offer, m.Slots) }
func (m *watchRequest) check() string   { return checkOffer(m.Offer, m.Slots) }
func (m *restartRequest) check() string { return checkSDP(m.Offer) }

func checkName(name *string) string {
	clean, ok := cleanName(*name)
	if !ok {
		return "a name has at most 64 characters"
	}
	*name = clean
	return ""
}

func checkSDP(offer string) string {
	switch {
	case offer == "":
		return "offer is missing"
	case len(offer) > maxOffer:
		return "offer is longer than 60 KiB"
	}
	return ""
}

func checkOffer(offer string, slots map[string]string) string {
	if why := checkSDP(offer); why != "" {
		return why
	}
	switch {
	case len(slots) == 0:
		return "slots are missing"
	case len(slots) > maxSlots:
		return "too many slots"
	}
	for mid, slot := range slots {
		if mid == "" || len(mid) > maxMid {
			return "a mid has 1 to 64 characters"
		}
		if slot != "screen" && slot != "camera" && slot != "audio" {
			return "a slot is screen, camera or audio"
		}
	}
	return ""
}

// decode reads one frame. id is the client's number for the answer, 0 when it gave none or none could be read;
// it is set also beside an error, which is always bad_message. Unknown fields are ignored.
func decode(frame []byte) (id uint64, v verb, m request, bad *Error) {
	if !utf8.Valid(frame) {
		return 0, verb{}, nil, refuse(CodeBadMessage, "not UTF-8")
	}
	var head struct {
		Type string
		ID   *uint64
	}
	if err := json.Unmarshal(frame, &head); err != nil {
		return 0, verb{}, nil, refuse(CodeBadMessage, "no JSON object with a type, or an id that is no positive integer")
	}
	if head.ID != nil {
		if id = *head.ID; id == 0 || id > maxRequest {
			return 0, verb{}, nil, refuse(CodeBadMessage, "an id is a positive integer")
		}
	}
	v, ok := verbs[head.Type]
	if !ok {
		return id, verb{}, nil, refuse(CodeBadMessage, "unknown type")
	}
	m = v.fresh()
	if err := json.Unmarshal(frame, m); err != nil {
		return id, verb{}, nil, refuse(CodeBadMessage, "a field is of the wrong kind")
	}
	if why := m.check(); why != "" {
		return id, verb{}, nil, refuse(CodeBadMessage, why)
	}
	return id, v, m, nil
}
