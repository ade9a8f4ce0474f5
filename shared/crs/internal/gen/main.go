// Command gen writes the EPSG parameter table which package crs embeds.
//
// It reads proj.db of a PROJ installation through the sqlite3 program, and asks its
// program projinfo for transformations; with PROJ_DATA naming a folder which holds
// proj.db and no grids:
//
//	go generate ./shared/crs
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
)

func main() {
	db := flag.String("db", "proj.db", "PROJ's database")
	out := flag.String("out", "epsg.tsv.gz", "file to write")
	flag.Parse()
	text, err := table(*db)
	if err != nil {
		log.Fatal(err)
	}
	var buf bytes.Buffer
	zw, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := zw.Write(text); err != nil {
		log.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, buf.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d bytes, %d unpacked\n", *out, buf.Len(), len(text))
}

// query runs one statement and returns its rows. Reals are asked for with 17
// digits, which sqlite3 does not print by itself.
func query(db, sql string) ([][]string, error) {
	cmd := exec.Command("sqlite3", "-batch", "-readonly", "-separator", "\t", db, sql)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("sqlite3 %s: %w", db, err)
	}
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

// maxShift is the longest translation along an axis, in metres, of a datum
// which the table marks as equal to WGS84. Israel 1993, GGRS87 or VN-2000 stand on
// a geocentric ellipsoid without being geocentric.
const maxShift = 10

func real(col string) string { return fmt.Sprintf("printf('%%!.17g', %s)", col) }

// degrees selects the longitude of a prime meridian, which sexagesimal ones mark.
var degrees = "case p.uom_code when 9105 then " + real("p.longitude*0.9") + " when 9110 then 'dms'||" + real("p.longitude") + " else " + real("p.longitude") + " end"

func meridian(s string) float64 {
	if dms, ok := strings.CutPrefix(s, "dms"); ok {
		return sexagesimal(number(dms))
	}
	return number(s)
}

func table(db string) ([]byte, error) {
	var lines []string
	add := func(kind string, fields ...string) {
		lines = append(lines, kind+strings.Join(fields, "\t"))
	}
	meta, err := query(db, "select value from metadata where key in ('EPSG.VERSION','EPSG.DATE') order by key desc")
	if err != nil {
		return nil, err
	}

	units, err := query(db, "select code, name, "+real("conv_factor")+` from unit_of_measure
		where auth_name='EPSG' and type='length' and name not like '% per year'`)
	if err != nil {
		return nil, err
	}
	metres := map[string]float64{}
	for _, u := range units {
		metres[u[0]] = number(u[2])
		add("U", u[0], u[1], short(metres[u[0]]))
	}
	angles, err := query(db, "select code, name from unit_of_measure where auth_name='EPSG' and type='angle'")
	if err != nil {
		return nil, err
	}
	for _, u := range angles {
		add("A", u[0], u[1])
	}

	ellipsoids, err := query(db, "select code, name, "+real("semi_major_axis")+", uom_code, "+
		real("coalesce(inv_flattening,-1)")+", "+real("coalesce(semi_minor_axis,-1)")+` from ellipsoid
		where auth_name='EPSG'`)
	if err != nil {
		return nil, err
	}
	for _, e := range ellipsoids {
		a, invf, b := number(e[2]), number(e[4]), number(e[5])
		switch {
		case invf < 0 && a == b:
			invf = 0
		case invf < 0:
			invf = a / (a - b)
		}
		add("E", e[0], e[1], short(a*metres[e[3]]), short(invf))
	}

	// The geographic system by which the operations of a datum are found: one which is
	// not deprecated, if there is.
	systems := map[string]string{}
	rows, err := query(db, `select datum_code, code from geodetic_crs where auth_name = 'EPSG' and type = 'geographic 2D'
		order by deprecated, name like '%(lon-lat)', code`)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if systems[r[0]] == "" {
			systems[r[0]] = r[1]
		}
	}
	meridians, err := query(db, "select code, name, "+degrees+" from prime_meridian p where p.auth_name = 'EPSG'")
	if err != nil {
		return nil, err
	}
	for _, m := range meridians {
		add("N", m[0], m[1], short(meridian(m[2])))
	}
	known := map[string]string{}
	datums, err := query(db, fmt.Sprintf(`
		select d.code, d.name, d.ellipsoid_code, %s, coalesce((
			select min(max(abs(h.tx), abs(h.ty), abs(h.tz)) * case h.translation_uom_code when 1025 then 0.001 when 1033 then 0.01 else 1 end)
			from geodetic_crs g join helmert_transformation_table h
			on h.source_crs_code = g.code and h.source_crs_auth_name = 'EPSG'
			where g.auth_name = 'EPSG' and g.datum_code = d.code and h.auth_name = 'EPSG'
			and h.target_crs_code in (4326, 4978, 4979)), 0)
		from geodetic_datum d join prime_meridian p
		on p.auth_name = d.prime_meridian_auth_name and p.code = d.prime_meridian_code
		where d.auth_name = 'EPSG'`, degrees))
	if err != nil {
		return nil, err
	}
	for _, d := range datums {
		pm := meridian(d[3])
		class := "other"
		switch d[2] {
		case "7030", "7019", "1024", "1025", "7054":
			if number(d[4]) <= maxShift && pm == 0 {
				class = "equal"
			}
		case "7035", "7047", "7048", "7052", "7057", "7059":
			class = "sphere"
		}
		var numbers []string
		if class == "other" && systems[d[0]] != "" {
			list, ballpark, err := operations(db, systems[d[0]])
			if err != nil {
				return nil, err
			}
			for _, o := range list {
				text := strings.Join(o.fields(), "\t")
				if known[text] == "" {
					known[text] = strconv.Itoa(len(known) + 1)
					add("T", known[text], text)
				}
				numbers = append(numbers, known[text])
			}
			if ballpark && len(numbers) > 0 {
				numbers = append(numbers, "0")
			}
		}
		add("D", d[0], d[1], d[2], class, short(max(2, math.Ceil(number(d[4])))), short(pm), strings.Join(numbers, ","))
	}

	geodetic, err := query(db, `
		select g.code, g.name, g.datum_code, a.uom_code, g.type, coalesce((select n.alt_name from alias_name n
		where n.table_name = 'geodetic_crs' and n.auth_name = 'EPSG' and n.code = g.code and n.source = 'ESRI'), '')
		from geodetic_crs g left join axis a
		on a.coordinate_system_code = g.coordinate_system_code and a.coordinate_system_auth_name = 'EPSG'
		and a.coordinate_system_order = 1 where g.auth_name = 'EPSG'`)
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{"geographic 2D": "2", "geographic 3D": "3", "geocentric": "c", "other": "o"}
	for _, g := range geodetic {
		unit := g[3]
		if unit == "9108" || unit == "9122" {
			unit = "9102"
		}
		add("G", g[0], g[1], g[2], unit, kinds[g[4]], strings.TrimPrefix(g[5], "GCS_"))
	}

	methods, err := query(db, "select code, name from conversion_method where auth_name = 'EPSG'")
	if err != nil {
		return nil, err
	}
	for _, m := range methods {
		add("M", m[0], m[1])
	}

	var sel []string
	for i := 1; i <= 7; i++ {
		p := fmt.Sprintf("param%d_", i)
		sel = append(sel, p+"code", real("coalesce("+p+"value,0)"), p+"uom_code")
	}
	conversions, err := query(db, "select code, name, method_code, "+strings.Join(sel, ", ")+` from conversion_table
		where auth_name = 'EPSG' and (code in (select conversion_code from projected_crs where auth_name = 'EPSG')
		or code between 16000 and 16999 or code between 10000 and 19999)`)
	if err != nil {
		return nil, err
	}
	for _, c := range conversions {
		fields := []string{c[0], c[1], c[2]}
		for i := 3; i+2 < len(c); i += 3 {
			if c[i] == "" {
				continue
			}
			v, err := value(number(c[i+1]), c[i+2], metres)
			if err != nil {
				return nil, fmt.Errorf("conversion %s parameter %s: %w", c[0], c[i], err)
			}
			fields = append(fields, c[i]+"="+short(v))
		}
		add("C", fields...)
	}

	// What replaces a deprecated system, if one does.
	replaced := map[string]string{}
	rows, err = query(db, `select deprecated_code, max(replacement_code) from deprecation where table_name = 'projected_crs'
		and deprecated_auth_name = 'EPSG' and replacement_auth_name = 'EPSG' group by deprecated_code having count(*) = 1`)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		replaced[r[0]] = r[1]
	}
	projected, err := query(db, `
		select p.code, p.name, p.geodetic_crs_code, p.conversion_code, a.uom_code,
		group_concat(substr(a.orientation, 1, 1) || a.coordinate_system_order, '') from projected_crs p join axis a
		on a.coordinate_system_code = p.coordinate_system_code and a.coordinate_system_auth_name = 'EPSG'
		and a.coordinate_system_order <= 2
		where p.auth_name = 'EPSG' group by p.code`)
	if err != nil {
		return nil, err
	}
	for _, p := range projected {
		// Rasters put easting first where an axis points east; what counts toward south and west keeps its order.
		switch p[5] {
		case "w1s2", "s2w1":
			p[5] = "ws"
		case "s1w2", "w2s1":
			p[5] = "sw"
		case "n1w2", "w2n1":
			p[5] = "nw"
		default:
			p[5] = ""
		}
		add("P", append(p, replaced[p[0]])...)
	}

	// A depth counts downward, hence the sign.
	vertical, err := query(db, `
		select v.code, v.name, a.uom_code, a.orientation = 'down' from vertical_crs v join axis a
		on a.coordinate_system_code = v.coordinate_system_code and a.coordinate_system_auth_name = 'EPSG'
		where v.auth_name = 'EPSG' group by v.code`)
	if err != nil {
		return nil, err
	}
	for _, v := range vertical {
		add("V", v...)
	}
	compound, err := query(db, `select code, name, horiz_crs_code, vertical_crs_code from compound_crs
		where auth_name = 'EPSG' and horiz_crs_auth_name = 'EPSG' and vertical_crs_auth_name = 'EPSG'`)
	if err != nil {
		return nil, err
	}
	for _, k := range compound {
		add("K", k...)
	}

	sort.Strings(lines)
	return []byte("#EPSG dataset " + meta[0][0] + " (" + meta[1][0] + ")\n" + strings.Join(lines, "\n") + "\n"), nil
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		log.Fatalf("number %q: %v", s, err)
	}
	return f
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// value turns a parameter into degrees, metres or a plain ratio.
func value(v float64, unit string, metres map[string]float64) (float64, error) {
	switch unit {
	case "9102", "9122", "9201":
		return v, nil
	case "9202":
		// The one use, San Francisco's grid 6994, says ppm of a plain ratio.
		return v, nil
	case "9101":
		return v * 180 / math.Pi, nil
	case "9104":
		return v / 3600, nil
	case "9105":
		return v * 0.9, nil
	case "9110":
		return sexagesimal(v), nil
	}
	if f, ok := metres[unit]; ok {
		return v * f, nil
	}
	return 0, fmt.Errorf("unit %s is not known", unit)
}

// sexagesimal reads DDD.MMSSsss. Working on the decimal digits keeps 33.3 (33
// degrees 30 minutes) from becoming 33 degrees 29 minutes 60 seconds.
func sexagesimal(v float64) float64 {
	sign := 1.0
	if v < 0 {
		sign, v = -1, -v
	}
	digits := strconv.FormatFloat(v, 'f', 10, 64)
	whole, frac, _ := strings.Cut(digits, ".")
	d := number(whole)
	m := number(frac[:2])
	s := number(frac[2:4] + "." + frac[4:])
	return sign * (d + m/60 + s/3600)
}
