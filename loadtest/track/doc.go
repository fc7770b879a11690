// Package track judges one stream as a viewer gets it: which packets did not come, which came after all, which pictures
// could be shown, how old they were, and when the picture stood still.
//
// It follows what a browser does: asks at once for what is missing, and again; holds what came behind a gap; goes on
// with a newer keyframe as soon as that is whole; gives up after a second and wants a keyframe. It has no clock, no lock
// and no input or output: packets and times are arguments, so that tests own them.
package track
