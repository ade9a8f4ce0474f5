// Package energy evaluates effective energy and mass transfer (EEMT) cell by cell.
//
// R15 is Rasmussen et al. 2015, Vadose Zone Journal, doi:10.2136/vzj2014.07.0102,
// whose variants EEMT-TRAD, EEMT-TOPO, EEMT-TOPO-VEG it follows; FAO-56 is Allen et
// al. 1998.
package energy

// Constants of the equations.
const (
	WaterHeatCapacity = 4185.5   // c_w, J kg-1 K-1, water at 15 degC
	BiomassEnergy     = 22.0e6   // h_BIO, J kg-1 dry matter (Rasmussen et al. 2011)
	ZhangOmega        = 2.63     // omega of Zhang et al. 2004 (R15)
	StefanBoltzmann   = 4.903e-9 // sigma, MJ K-4 m-2 d-1 (FAO-56)
	LatentHeat        = 2.45     // lambda_v, MJ kg-1 (FAO-56)
	AirHeatCapacity   = 1.013e-3 // c_p, MJ kg-1 K-1 (FAO-56)
	VapourRatio       = 0.622    // epsilon, weight of water vapour over dry air (FAO-56)
	GasConstant       = 0.287    // R_d, kJ kg-1 K-1 (FAO-56)
	VonKarman         = 0.41     // k (FAO-56)
	CarbonFraction    = 0.45     // g C per g dry matter: NPP in g C is divided by it
	SecondsPerDay     = 86400.0
)

// Defaults of Parameters.
const (
	DefaultLapseRate      = 6.49 // Gamma, K km-1, ISA environmental lapse
	DefaultRadiationShift = 1.0  // C, K (R15 eq 6)
	DefaultWindSpeed      = 2.0  // u_2, m s-1 (FAO-56 without wind data)
	DefaultAlbedo         = 0.23 // alpha_s in net radiation (FAO-56)
)

// Limits inside the equations.
const (
	MinSolarRatio  = 0.2    // of S_i, which bounds the temperature shift to 4.8 K
	MaxSolarRatio  = 5.0    // of S_i
	MaxLAI         = 10.0   // m2 m-2 (R15)
	MinNPP         = 100.0  // g m-2 yr-1 dry matter (R15 eq 11)
	NPPTopoLowest  = 580.0  // m: below it NPPTopo is outside its fit with some margin, worth a warning
	NPPTopoHighest = 2850.0 // m: the same above
)

// Largest values on land, MJ m-2 yr-1 (Rasmussen et al. 2011, table 1).
const (
	MaxEBio = 57.0
	MaxEPPT = 650.0
)

// DominanceThreshold is the EEMT at which F_BIO passes 0.5, from carbon- to
// water-dominated, MJ m-2 yr-1 (Rasmussen et al. 2011, fig. 2b).
const DominanceThreshold = 70.0
