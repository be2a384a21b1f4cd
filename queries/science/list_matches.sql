-- Cross-match of a list with objects
-- For anyone with a list of positions, of a catalogue or of targets: the nearest object of each. The list is a file of
-- Parquet or CSV with columns ra and dec (ICRS, deg), given as --table mine=FILE.
-- survey: lsst
-- param radius number arcsec from 0 to 648000 default 2: how far from a position
-- example: radius=2
-- result: one row a position that has an object: all columns of the list, then the object, its position (deg), its
--   number of detections and the time of its newest alert (MJD, TAI), and the distance (deg); columns that both have
--   are called right_ra and the like of the object
-- caveat: positions without an object are left out; what moves has no object, and is matched with measurements instead:
--   crossmatch(mine, lsst.sources, ...)
-- cost: the columns that are shown, of all alerts; the list, or the objects if they are fewer, are held in memory
SELECT *
FROM crossmatch(mine, (
  SELECT diaObjectId, ra, dec, nDiaSources, _mjd_tai FROM lsst.DiaObject WHERE diaObjectId <> 0
), arcsec($radius), 'best')
ORDER BY diaObjectId, distance
