-- Forced photometry of an object
-- What was measured at the place of an object in every visit, detected or not, oldest first.
-- survey: lsst
-- param object integer: id of the object (diaObjectId)
-- example: object=170032882292621351
-- result: one row a visit and band: time (MJD, TAI), difference flux and error in nJy
-- caveat: the survey measures only where an object has been seen before, and sends it with the next alert of the
--   object; the newest visits may be missing
-- cost: the rows of one object, found by index where files are merged
SELECT diaForcedSourceId, midpointMjdTai, band, psfFlux, psfFluxErr
FROM lsst.DiaForcedSource
WHERE diaObjectId = $object
ORDER BY midpointMjdTai, diaForcedSourceId
