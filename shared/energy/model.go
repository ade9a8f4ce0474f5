package energy

import "math"

// Model evaluates the three variants of EEMT for the cells of one climate year.
// It is read-only once made, so that any number of goroutines may share it.
type Model struct {
	p         Parameters
	cal       Calendar
	days      [12]float64
	solarDays [12]float64
	part      [12]float64 // of the year
	panRa     float64     // s m-1
}

// NewModel checks parameters and calendar and prepares what all cells share.
func NewModel(p Parameters, cal Calendar) (*Model, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := cal.Validate(); err != nil {
		return nil, err
	}
	m := &Model{p: p, cal: cal, panRa: OpenWaterResistance(p.WindSpeed)}
	for i := range 12 {
		m.days[i] = float64(cal.Days[i])
		m.solarDays[i] = float64(cal.SolarDays[i])
		m.part[i] = m.days[i] / float64(cal.YearDays())
	}
	return m, nil
}

// Year evaluates EEMT-TRAD and EEMT-TOPO of every month into out. Any input
// that is not finite makes all of out NaN.
func (m *Model) Year(in *Cell, out *CellYear) {
	if !in.valid(m.p.NPPTopo) {
		out.setNoData()
		return
	}
	site := m.site(in)
	for i := range 12 {
		l := m.local(in, i)
		trad := m.trad(in, i, &l)
		topo := m.topo(in, i, &l, &site, 1)
		out.TradEPPT[i], out.TradEBio[i] = trad.EPPT, trad.EBio
		out.TopoEPPT[i], out.TopoEBio[i] = topo.EPPT, topo.EBio
		out.Peff[i], out.AlphaPeff[i] = topo.Peff, topo.Alpha*topo.Peff
	}
}

// MeanTemperature returns the annual mean at the cell, lapsed from the climate
// source, without the radiation term: degC, months weighted by their days.
func (m *Model) MeanTemperature(in *Cell) float64 {
	var mean [12]float64
	for i := range 12 {
		mean[i] = (Lapse(in.TMin[i], in.Elevation, in.ReferenceElevation, m.p.LapseTMin[i]) +
			Lapse(in.TMax[i], in.Elevation, in.ReferenceElevation, m.p.LapseTMax[i])) / 2
	}
	return YearMean(&mean, &m.cal.Days)
}

// Trad evaluates EEMT-TRAD of one month, 0 to 11, with its intermediates.
func (m *Model) Trad(in *Cell, month int) MonthTrad {
	if !in.valid(m.p.NPPTopo) {
		n := math.NaN()
		return MonthTrad{n, n, n, n, n, n, n, n, n}
	}
	l := m.local(in, month)
	return m.trad(in, month, &l)
}

// Topo evaluates EEMT-TOPO of one month, 0 to 11, with its intermediates, at
// the kappa of that month.
func (m *Model) Topo(in *Cell, month int, kappa float64) MonthTopo {
	if !in.valid(m.p.NPPTopo) {
		n := math.NaN()
		return MonthTopo{n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n}
	}
	site, l := m.site(in), m.local(in, month)
	return m.topo(in, month, &l, &site, kappa)
}

// Veg evaluates EEMT-TOPO-VEG of one month, 0 to 11, with its intermediates, at
// the kappa of that month. Leaf area and canopy height count as inputs: NaN in
// either makes the result NaN.
func (m *Model) Veg(in *Cell, month int, kappa float64) MonthVeg {
	if v := in.LAI + in.CanopyHeight; !in.valid(m.p.NPPTopo) || v-v != 0 {
		n := math.NaN()
		return MonthVeg{n, n, n, n, n, n, n, n, n, n, n, n}
	}
	site, l := m.site(in), m.local(in, month)
	return m.veg(in, month, &l, &site, kappa)
}

// site is what the months of a cell share.
type site struct {
	pressure, gamma float64 // kPa, kPa K-1
	alpha           float64 // MCWI
	npp             float64 // of EEMT-TOPO, g m-2 yr-1
}

func (m *Model) site(in *Cell) site {
	p := AirPressure(in.Elevation)
	s := site{pressure: p, gamma: PsychrometricConstant(p), alpha: MCWI(in.Wetness, in.MeanWetness)}
	switch m.p.NPPTopo {
	case NPPRaster:
		s.npp = max(0, in.NPP)
	case NPPLieth:
		var mean [12]float64
		for i := range 12 {
			l := m.local(in, i)
			si := SolarRatio(in.SolarTopo[i], in.SolarFlat[i])
			mean[i] = (l.tMin + TMaxTopo(l.tMin, l.tMax, si, m.p.RadiationShift, 0)) / 2
		}
		s.npp = Lieth(YearMean(&mean, &m.cal.Days))
	default:
		n := in.Northness
		if in.South {
			n = -n
		}
		s.npp = NPPTopo(in.Elevation, n)
	}
	return s
}

// local is the climate of one month at the elevation of the cell.
type local struct {
	tMin, tMax float64 // degC
	esMin, ea  float64 // kPa: saturation at tMin, actual
}

func (m *Model) local(in *Cell, i int) local {
	l := local{
		tMin: Lapse(in.TMin[i], in.Elevation, in.ReferenceElevation, m.p.LapseTMin[i]),
		tMax: Lapse(in.TMax[i], in.Elevation, in.ReferenceElevation, m.p.LapseTMax[i]),
	}
	l.esMin = SaturationPressure(l.tMin)
	l.ea = in.VP[i] / 1000 * l.esMin / SaturationPressure(in.TMin[i])
	return l
}

func (m *Model) trad(in *Cell, i int, l *local) MonthTrad {
	out := MonthTrad{TMin: l.tMin, TMax: l.tMax, TMean: (l.tMin + l.tMax) / 2}
	hamon := Hamon
	if m.p.Hamon1963 {
		hamon = Hamon1963
	}
	out.PET = m.days[i] * hamon(out.TMean, in.Daylength[i])
	out.F = max(0, in.Prcp[i]-out.PET)
	out.EPPT = EPPT(out.F, out.TMean)
	if in.Prcp[i] > out.PET && out.TMean > 0 {
		out.NPP = Lieth(out.TMean) * m.part[i]
	}
	out.EBio = EBio(out.NPP)
	out.EEMT = out.EPPT + out.EBio
	return out
}

func (m *Model) topo(in *Cell, i int, l *local, s *site, kappa float64) MonthTopo {
	out := MonthTopo{
		SolarRatio: SolarRatio(in.SolarTopo[i], in.SolarFlat[i]),
		EA:         l.ea, TMin: l.tMin, Alpha: s.alpha,
	}
	out.TMax = TMaxTopo(l.tMin, l.tMax, out.SolarRatio, m.p.RadiationShift, 0)
	a := m.air(in, i, l, s, out.TMax)
	out.TMean, out.VPD, out.Delta, out.Density = a.tMean, a.vpd, a.delta, a.density
	out.Rs, out.Rnl, out.Rn = a.rs, a.rnl, a.rn
	if out.TMean > 0 {
		out.PET = m.days[i] * PenmanMonteith(a.rn, a.vpd, a.delta, s.gamma, a.density, m.panRa, 0)
	}
	out.AET = ZhangAET(in.Prcp[i], out.PET)
	out.Peff = max(0, in.Prcp[i]-out.AET)
	out.F = kappa * s.alpha * out.Peff
	out.EPPT = EPPT(out.F, out.TMean)
	out.NPP = s.npp * m.part[i]
	out.EBio = EBio(out.NPP)
	out.EEMT = out.EPPT + out.EBio
	return out
}

func (m *Model) veg(in *Cell, i int, l *local, s *site, kappa float64) MonthVeg {
	si := SolarRatio(in.SolarTopo[i], in.SolarFlat[i])
	height := max(0, in.CanopyHeight)
	out := MonthVeg{
		TMax: TMaxTopo(l.tMin, l.tMax, si, m.p.RadiationShift, in.LAI),
		Ra:   CanopyResistance(height, m.p.WindSpeed),
		Rs:   SurfaceResistance(in.LAI),
	}
	a := m.air(in, i, l, s, out.TMax)
	out.TMean = a.tMean
	if out.TMean > 0 {
		out.AETUnlimited = m.days[i] * PenmanMonteith(a.rn, a.vpd, a.delta, s.gamma, a.density, out.Ra, out.Rs)
	}
	if m.p.VegAETZhang {
		out.AET = ZhangAET(in.Prcp[i], out.AETUnlimited)
	} else {
		out.AET = max(0, min(in.Prcp[i], out.AETUnlimited))
	}
	out.Peff = max(0, in.Prcp[i]-out.AET)
	out.F = kappa * s.alpha * out.Peff
	out.EPPT = EPPT(out.F, out.TMean)
	out.NPP = NPPVeg(height) * m.part[i]
	out.EBio = EBio(out.NPP)
	out.EEMT = out.EPPT + out.EBio
	return out
}

// air is the state of the air and the net radiation that drive evaporation.
type air struct {
	tMean, vpd, delta, density float64
	rs, rnl, rn                float64
}

func (m *Model) air(in *Cell, i int, l *local, s *site, tMax float64) air {
	a := air{tMean: (l.tMin + tMax) / 2}
	a.vpd = max(0, (l.esMin+SaturationPressure(tMax))/2-l.ea)
	a.delta = SaturationSlope(a.tMean)
	a.density = AirDensity(s.pressure, a.tMean)
	cloud := m.p.CloudFactor[i]
	if in.CloudFactor != nil {
		cloud = in.CloudFactor[i]
	}
	if in.SolarFlat[i] != 0 { // polar night: no shortwave
		a.rs = Shortwave(in.SolarTopo[i], m.solarDays[i], cloud)
	}
	a.rnl = NetLongwave(l.tMin, tMax, l.ea, cloud)
	a.rn = max(0, (1-m.p.Albedo)*a.rs-a.rnl)
	return a
}
