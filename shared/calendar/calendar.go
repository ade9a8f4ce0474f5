// Package calendar is the year of 365 days that the sun and the maps are of.
package calendar

// Months are the names of the months in names of maps, from January on.
var Months = [12]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// Days are the lengths of the months; February has 28 days.
var Days = [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
