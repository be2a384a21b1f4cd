-- Likely transients (L03)
-- For transient work with LSST, after Fink: good quality (L01), no solar-system match, seen at least twice, positive.
-- survey: lsst
-- result: one row an alert that passes: its id, its object, signal to noise, and the object's detections
-- caveat: variable stars and active nuclei pass as well
-- cost: the flags and fluxes of all alerts
SELECT _alert, _object, diaSource.snr, diaObject.nDiaSources
FROM lsst.alerts
WHERE ssSource IS NULL
  AND diaSource.snr > 10
  AND diaObject.nDiaSources >= 2
  AND NOT (
        (diaSource.isDipole
           OR diaSource.pixelFlags
           OR diaSource.pixelFlags_bad
           OR diaSource.pixelFlags_saturated
           OR diaSource.pixelFlags_streakCenter
           OR diaSource.pixelFlags_interpolated
           OR diaSource.pixelFlags_cr
           OR diaSource.pixelFlags_nodata
           OR diaSource.pixelFlags_streak
           OR diaSource.pixelFlags_edge
           OR diaSource.psfFlux_flag
           OR diaSource.apFlux_flag
           OR diaSource.forced_PsfFlux_flag
           OR diaSource.forced_PsfFlux_flag_edge
           OR diaSource.shape_flag
           OR diaSource.centroid_flag) IS TRUE
        OR diaSource.psfFlux < 0
        OR diaSource.psfFlux / diaSource.psfFluxErr < 6
      )
  AND NOT diaSource.isNegative
