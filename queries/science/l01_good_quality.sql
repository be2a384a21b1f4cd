-- Good quality (L01)
-- The cuts on LSST alerts that Fink calls good quality: no flag raised, positive, six sigma.
-- survey: lsst
-- result: one row an alert that passes: its id, its object, difference flux and its error (nJy)
-- caveat: a flag that is null beside one that is true does not hide it, and beside false ones counts as not raised
-- cost: the flags and fluxes of all alerts
SELECT _alert, _object, diaSource.psfFlux, diaSource.psfFluxErr
FROM lsst.alerts
WHERE NOT (
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
