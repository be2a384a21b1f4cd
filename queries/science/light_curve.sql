-- Light curve of an object
-- Every measurement of one object, oldest first: those that were alerts and those that came as history.
-- survey: lsst
-- param object integer: id of the object (diaObjectId)
-- example: object=170032882292621351
-- result: one row a measurement: id, time (MJD, TAI), band, difference flux and its error in nJy, and whether it was
--   the trigger of an alert or came as history
-- caveat: where a measurement came both ways the trigger is shown, of several versions of it the newest; flux is that
--   of the difference image, and can be negative
-- cost: the rows of one object, found by index where files are merged
SELECT diaSourceId, midpointMjdTai, band, psfFlux, psfFluxErr, _origin
FROM lsst.DiaSource
WHERE diaObjectId = $object
ORDER BY midpointMjdTai, diaSourceId
