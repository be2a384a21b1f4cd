-- An object with its sources
-- The newest record of an object beside each of its measurements: what the survey says of it, and what that rests on.
-- survey: lsst
-- param object integer: id of the object (diaObjectId)
-- example: object=170032882292621351
-- result: one row a measurement, oldest first: position of the object (deg) and its number of detections by its newest
--   record, then id, time (MJD, TAI), band, difference flux and error (nJy) of the measurement, and how far from the
--   object it is (arcsec)
-- caveat: columns of the object are null where no alert brought a record of it; the record is as old as the newest
--   alert
-- cost: the rows of one object in sources; of all alerts the columns of the object that are shown
WITH latest AS (
  SELECT diaObjectId, ra, dec, nDiaSources FROM lsst.DiaObject WHERE diaObjectId = $object
), measured AS (
  SELECT diaObjectId, diaSourceId, midpointMjdTai, band, psfFlux, psfFluxErr, ra, dec
  FROM lsst.DiaSource
  WHERE diaObjectId = $object
)
SELECT measured.diaObjectId, latest.ra AS object_ra, latest.dec AS object_dec, latest.nDiaSources,
       measured.diaSourceId, measured.midpointMjdTai, measured.band, measured.psfFlux, measured.psfFluxErr,
       angular_distance(measured.ra, measured.dec, latest.ra, latest.dec) * 3600 AS arcseconds
FROM measured
LEFT JOIN latest ON latest.diaObjectId = measured.diaObjectId
ORDER BY measured.midpointMjdTai, measured.diaSourceId
