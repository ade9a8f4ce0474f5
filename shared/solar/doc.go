// Package solar computes the clear-sky solar radiation that terrain receives.
//
// The model is that of Hofierka and Suri (2002) as r.sun uses it: the ESRA
// clear-sky beam with the air mass of Kasten and Young (1989), the diffuse sky
// of Muneer (1990), ground reflection, shadows cast by terrain. Angles are in
// radians, azimuths and aspects clockwise from north, times in true solar time,
// energies in Wh m⁻². A solar year has 365 days in the months of a non-leap year.
package solar
