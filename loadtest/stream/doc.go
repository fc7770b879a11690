// Package stream makes the media of synthetic casters, and reads back at the viewers' end what matters of it.
//
// A synthetic picture is a bitstream that is right where anybody but a decoder looks: headers, parameter sets, sizes
// and payload descriptors of VP8, VP9, H.264 and AV1 are those of a real one, the rest is filler. Each picture carries a
// Stamp: its number, when it was sent, its layer, and of how many packets it is. Files (IVF, H.264 Annex B, Ogg) are sent
// as they are, so their pictures are known by a Ledger instead.
//
// Nothing here does input or output but opening files, and nothing reads a clock.
package stream
