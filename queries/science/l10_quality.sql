-- Quality cuts (L10)
-- The cuts on LSST alerts that ANTARES makes: ten sigma, no solar-system object, eight flags not raised.
-- survey: lsst
-- result: one row an alert that passes: its id, its object, signal to noise, and the id of the body of the Solar System
-- caveat: a flag that is null counts as not raised
-- cost: the flags of all alerts
SELECT _alert, _object, diaSource.snr, diaSource.ssObjectId
FROM lsst.alerts
WHERE diaSource.snr > 10
  AND (diaSource.ssObjectId IS NULL OR diaSource.ssObjectId = 0)
  AND NOT (coalesce(diaSource.psfFlux_flag, false)
           OR coalesce(diaSource.centroid_flag, false)
           OR coalesce(diaSource.shape_flag, false)
           OR coalesce(diaSource.isDipole, false)
           OR coalesce(diaSource.pixelFlags_saturated, false)
           OR coalesce(diaSource.pixelFlags_edge, false)
           OR coalesce(diaSource.pixelFlags_cr, false)
           OR coalesce(diaSource.pixelFlags_streak, false))
