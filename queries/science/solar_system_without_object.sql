-- Solar System sources without an object
-- For moving bodies over two weeks: detections that were matched with one and belong to no object of the fixed sky.
-- survey: lsst
-- param start number d: begin (MJD, TAI), itself included
-- param days number d from 0 default 14: how long from there
-- example: start=61130
-- result: one row a detection, body by body and oldest first: body, detection, time (MJD, TAI), position (deg), band,
--   difference flux and error (nJy)
-- caveat: an id of 0 counts as none; detections that were matched with an orbit after their alert was sent are not in
--   it
-- cost: the files of these days, and of later ones for the history that they brought
SELECT ssObjectId, diaSourceId, midpointMjdTai, ra, dec, band, psfFlux, psfFluxErr
FROM (
  SELECT DISTINCT ON (diaSourceId) ssObjectId, diaSourceId, midpointMjdTai, ra, dec, band, psfFlux, psfFluxErr
  FROM lsst.sources
  WHERE midpointMjdTai >= $start AND midpointMjdTai < $start + $days
    AND ssObjectId <> 0 AND coalesce(diaObjectId, 0) = 0
  ORDER BY diaSourceId, _origin DESC, _commit DESC
) AS measured
ORDER BY ssObjectId, midpointMjdTai
